"""Serves the quota interface as other people's software does: pycapnp, over Python's ssl."""

import asyncio
import ssl
import sys

import capnp

schema, cert, key, ca = sys.argv[1:]
quota_capnp = capnp.load(schema)


class Quota(quota_capnp.Quota.Server):
    async def acquire(self, rule, permits, _context, **kwargs):
        if rule == "fail":
            raise RuntimeError("on purpose")
        _context.results.granted = True
        _context.results.remaining = permits


async def serve(stream):
    await capnp.TwoPartyServer(stream, bootstrap=Quota()).on_disconnect()


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    context.load_cert_chain(cert, key)
    context.verify_mode = ssl.CERT_REQUIRED
    server = await capnp.AsyncIoStream.create_server(serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(capnp.run(main()))
