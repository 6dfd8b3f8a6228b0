"""A real server: answers every HTTP request with its name. ``python web.py NAME PORT``."""

from __future__ import annotations

import asyncio
import sys

LISTENING = "listening"


async def serve(name: str, port: int) -> None:
    """Answer until killed."""
    body = f"{name}\n".encode()
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readline():  # a health check connects and says nothing
                writer.write(answer)
                await writer.drain()
            writer.close()
            await writer.wait_closed()
        except OSError:
            return  # the client went away

    server = await asyncio.start_server(one, "0.0.0.0", port, backlog=512)
    print(LISTENING, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
