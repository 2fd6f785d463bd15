"""Python's httpx over HTTP/2: many requests at once on one connection, bodies both ways, headers as they arrive."""

import asyncio
import ssl
import sys

import httpx

url, authority = sys.argv[1:]


async def main():
    trust = ssl.create_default_context(cafile=authority)
    async with httpx.AsyncClient(http1=False, http2=True, verify=trust, base_url=url, timeout=30) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(100)))
        assert all(answer.http_version == "HTTP/2" for answer in answers)
        assert all(answer.text == "hello\n" for answer in answers)

        body = b"both ways " * 50_000
        assert (await client.post("/echo", content=body)).content == body

        async def in_parts():
            for start in range(0, len(body), 10_000):
                yield body[start : start + 10_000]

        assert (await client.post("/echo", content=in_parts())).content == body
        assert len((await client.get("/large")).content) == 1 << 20

        seen = (await client.get("/headers", headers=[("x-one", "1"), ("cookie", "a=1")])).json()
        assert seen["x-one"] == "1" and seen["cookie"] == "a=1", seen
        assert seen["x-forwarded-proto"] == "https", seen
        assert seen["host"] == client.base_url.netloc.decode(), seen


asyncio.run(main())
