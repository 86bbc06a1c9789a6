"""Calls the quota interface as other people's software does: pycapnp, over Python's ssl."""

import asyncio
import ssl
import sys

import capnp

host, port, schema, cert, key, ca, name = sys.argv[1:]
quota_capnp = capnp.load(schema)


def context(version):
    made = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
    made.load_cert_chain(cert, key)
    made.minimum_version = made.maximum_version = version
    return made


async def over(version):
    stream = await capnp.AsyncIoStream.create_connection(
        host=host, port=int(port), ssl=context(version), server_hostname=name
    )
    quota = capnp.TwoPartyClient(stream).bootstrap().cast_as(quota_capnp.Quota)
    for permits in range(100):
        answer = await quota.acquire("echo", "key", permits)
        assert (answer.granted, answer.remaining) == (True, permits), answer
    # Many at once, some of which are let go of.
    calls = [asyncio.ensure_future(forward(quota.acquire("echo", "key", permits))) for permits in range(200)]
    assert [answer.remaining for answer in await asyncio.gather(*calls)] == list(range(200))
    try:
        await quota.acquire("fail", "key", 1)
    except capnp.KjException as error:
        assert "on purpose" in str(error), error
    else:
        raise AssertionError("it did not fail")
    # An error with an id is a text, as ever: what travels beside the message is ignored.
    try:
        await quota.acquire("illegal", "key", 1)
    except capnp.KjException as error:
        assert "permits: found 7; ask for fewer: the cause" in str(error), error
        assert "\x1f" not in str(error) and "private" not in str(error), error
    else:
        raise AssertionError("it did not fail")
    assert (await quota.acquire("deadline", "key", 1)).remaining == 0, "no deadline was sent"
    try:
        await asyncio.wait_for(forward(quota.acquire("hang", "key", 1)), 0.2)
    except asyncio.TimeoutError:
        pass
    else:
        raise AssertionError("it did not hang")
    assert (await quota.acquire("echo", "key", 7)).remaining == 7


async def forward(promise):
    return await promise


async def main():
    for version in [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2]:
        await over(version)
    print("all was answered")


asyncio.run(capnp.run(main()))
