"""A plain HTTP/1.1 client that can send the next request before the last one is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

from tests.e2e.serving import Caller

SECONDS = 60


class Connection:
    """One connection, for as many requests as the server takes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> Connection:
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def ask(self, asked: Mapping[str, Caller | None]) -> list[bytes]:
        """Send requests for all the paths in one piece; the answers' bodies in their order."""
        return await self.ask_with({p: c.headers if c else {} for p, c in asked.items()})

    async def ask_with(self, asked: Mapping[str, Mapping[str, str]]) -> list[bytes]:
        """The same, with any headers."""
        requests = [
            f"GET {path} HTTP/1.1\r\nhost: x\r\n{_lines(headers)}\r\n"
            for path, headers in asked.items()
        ]
        self._writer.write("".join(requests).encode())
        return [await self._answer() for _ in asked]

    async def _answer(self) -> bytes:
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
        return await self._reader.readexactly(int(length))

    def close(self) -> None:
        self._writer.close()


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


async def ask_in_turn(
    url: str, path: str, callers: Mapping[int, Caller | None], connections: int, depth: int
) -> None:
    """`path/number` for every number, over so many connections, `depth` of them at a time.

    callers: who asks; None for a client that has no trace.
    """
    numbers = list(callers)

    async def one(first: int) -> None:
        connection = await Connection.open(url)
        mine = numbers[first::connections]
        for start in range(0, len(mine), depth):
            some = mine[start : start + depth]
            bodies = await connection.ask({f"{path}/{n}": callers[n] for n in some})
            assert bodies == [b"%d" % n for n in some]
        connection.close()

    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(one(first) for first in range(connections)))
