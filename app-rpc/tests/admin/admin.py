"""Calls the admin interface as other people's software does: pycapnp, over Python's ssl."""

import asyncio
import ssl
import sys
import time
import zlib

import capnp

host, port, schema, cert, key, ca, name, store, role = sys.argv[1:]
admin_capnp = capnp.load(schema)


def context():
    made = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
    made.load_cert_chain(cert, key)
    return made


async def call(of, method, *arguments):
    answer = await getattr(of[1], method)(*arguments)
    print(f"called {of[0]}.{method}")
    return answer


async def original(app):
    assert (await call(app, "id")).appId == 0xA0
    assert (await call(app, "releaseId")).releaseId == 0x10
    assert int((await call(app, "instance")).instanceId, 16) > 0
    assert abs((await call(app, "startedOn")).startedOn - time.time()) < 120
    assert (await call(app, "logLevel")).level == "debug"
    services = list((await call(app, "serviceIds")).serviceIds)
    assert int(store) in services and services == sorted(services), services
    service = ("Service", (await call(app, "service", int(store))).service)
    assert (await call(service, "id")).serviceId == int(store)
    assert (await call(service, "logLevel")).level == "debug"
    assert (await call(service, "alive")).alive
    endpoints = list((await call(app, "rpcServiceIds")).serviceIds)
    assert endpoints == [0xE49214FA20B35BA8], endpoints
    endpoint = ("RPCService", (await call(app, "rpcService", endpoints[0])).service)
    assert (await call(endpoint, "id")).serviceId == endpoints[0]
    assert (await call(endpoint, "listenerAlive")).listenerAlive
    address = (await call(endpoint, "listenerAddress")).address
    assert (address.network, address.address) == ("tcp", f"{host}:{port}"), address
    assert (await call(endpoint, "activeConns")).count == 1
    assert (await call(endpoint, "maxConns")).count == 1024
    runtime = ("Runtime", (await call(app, "runtime")).runtime)
    print((await call(runtime, "goVersion")).version)
    assert (await call(runtime, "numCPU")).count >= 1
    assert (await call(runtime, "numGoroutine")).count >= 1
    stats = (await call(runtime, "memStats")).stats
    assert 0 < stats.alloc <= stats.heapInUse < stats.sys and len(stats.bySize) == 0, stats
    configs = ("Configs", (await call(app, "configs")).configs)
    assert (await call(configs, "configDir")).configDir.startswith("/")
    assert (await call(configs, "configDirExists")).exists
    assert list((await call(configs, "serviceIds")).serviceIds) == endpoints
    try:
        await app[1].service(1)
    except capnp.KjException as error:
        assert "service 1 is not registered" in str(error), error
    else:
        raise AssertionError("service 1 is there")
    return runtime


async def main():
    stream = await capnp.AsyncIoStream.create_connection(
        host=host, port=int(port), ssl=context(), server_hostname=name
    )
    app = ("App", capnp.TwoPartyClient(stream).bootstrap().cast_as(admin_capnp.App))
    runtime = await original(app)
    if role != "admin":
        try:
            await app[1].kill()
        except capnp.KjException as error:
            print(error)
        return
    dump = zlib.decompress((await call(runtime, "stackDump")).stackDump).decode()
    assert "threads of process" in dump and "service store" in dump, dump
    # Behind the original's.
    assert (await app[1].identity()).identity.pid > 0
    await call(app, "kill")
    print("all was answered")


asyncio.run(capnp.run(main()))
