"""A warehouse for the chain benchmark: takes every request to ship at once and does nothing, so that it costs little.

What a destination does with a request is not the chain's work; that one is asked, and answers, is.
"""

import argparse
import asyncio
import itertools
from typing import cast

import uvloop

END_OF_HEAD = b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection; every request is answered 201 with a new id."""

    numbers = itertools.count(1)

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(END_OF_HEAD)) >= 0:
            whole = end + len(END_OF_HEAD) + _length(self._data[:end])
            if len(self._data) < whole:
                return
            self._data = self._data[whole:]
            body = b'{"id":"w-%d","state":"accepted"}' % next(self.numbers)
            head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self._transport.write(head + body)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


async def serve(port: int) -> None:
    """Until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
