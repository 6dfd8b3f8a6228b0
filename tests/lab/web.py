"""A real server: answers every HTTP request with its name. ``python web.py NAME PORT [ADDRESS]``.

``GET /where`` adds the address that the request came to. ``GET /drip`` goes on until the client says
something more: a line a tenth of a second, then the checksum of all of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys

LISTENING = "listening"
DRIP = 0.1
"""Seconds between two lines of a long download."""
LINE = 512
"""Octets in a line of a long download."""
_HEAD = b"HTTP/1.0 200 OK\r\nConnection: close\r\n"


async def drip(name: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send lines that differ until there is a word of the client beyond its request, then their checksum."""
    writer.write(_HEAD + b"\r\n")
    while (await reader.readline()).strip():
        pass  # the rest of the request's head
    word = asyncio.ensure_future(reader.readline())
    checksum, number = hashlib.sha256(), 0
    while not word.done():
        line = (b"%s %d " % (name, number)).ljust(LINE - 1, b".") + b"\n"
        checksum.update(line)
        writer.write(line)
        await writer.drain()
        number += 1
        await asyncio.wait({word}, timeout=DRIP)
    writer.write(checksum.hexdigest().encode())


async def serve(name: bytes, port: int, address: str) -> None:
    """Answer until killed."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if request := await reader.readline():  # a health check connects and says nothing
                path = [*request.split(), b"", b""][1]
                if path == b"/drip":
                    await drip(name, reader, writer)
                else:
                    here = b" " + writer.get_extra_info("sockname")[0].encode() if path == b"/where" else b""
                    body = name + here + b"\n"
                    writer.write(_HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
            writer.close()
            await writer.wait_closed()
        except OSError:
            return  # the client went away

    server = await asyncio.start_server(one, address, port, backlog=512)
    print(LISTENING, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1].encode(), int(sys.argv[2]), (sys.argv[3:] or ["0.0.0.0"])[0]))
