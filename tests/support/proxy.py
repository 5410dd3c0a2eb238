"""A TCP proxy that does to a connection what networks do: real sockets, in front of a real server.

    with faulty_proxy(server.url, [Trouble("reset", after=300)]) as proxy: ...   # the first connection only
    proxy.plan(Trouble("cut", after=1000, up=True))                              # the next one

A connection meets the next trouble that is planned, or none. It passes `after` bytes in the troubled direction,
down (to the client) or up, and then comes

    reset    an RST to both sides
    cut      an end, as after a whole answer
    stall    nothing more in this direction, while the connection stays
    half     the server's side is closed, and the client is not told
    drip     the rest, a byte at a time
    delay    the rest, after a while
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to a connection, after so many bytes down to the client, or up to the server."""

    kind: str
    after: int = 0
    up: bool = False
    seconds: float = 0.1  # between two bytes that drip, or of a delay


class Proxy:
    """Forwards connections in an event loop of its own; `met` counts the troubles that came true."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.target = (parts.hostname or "", parts.port or 0)
        self.met = 0
        self.url = ""
        self._planned: list[Trouble | None] = []
        self._loop = asyncio.new_event_loop()

    def plan(self, *troubles: Trouble | None) -> None:
        """The next connections have these, one each; None is none."""
        self._planned += troubles

    def clear(self) -> None:
        """Nothing is planned any more."""
        self._planned.clear()

    async def start(self) -> asyncio.Server:
        """Listen on a free port."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        trouble = self._planned.pop(0) if self._planned else None
        server, to_server = await asyncio.open_connection(*self.target)
        ends = (to_client, to_server)
        ways = [(client, to_server, True), (server, to_client, False)]
        tasks = [
            asyncio.ensure_future(self._forward(source, sink, ends, trouble if trouble and trouble.up == up else None))
            for source, sink, up in ways
        ]
        with suppress(asyncio.CancelledError):  # at the end
            await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            end.close()

    async def _forward(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        trouble: Trouble | None,
    ) -> None:
        left = trouble.after if trouble else 0
        with suppress(OSError):
            while data := await source.read(1 << 16):
                if trouble and len(data) > left:
                    await self._send(sink, data[:left])
                    self.met += 1
                    data, trouble = await self._happen(trouble, sink, ends, data[left:]), None
                left -= len(data)
                await self._send(sink, data)
        for end in ends:
            end.close()

    async def _happen(
        self,
        trouble: Trouble,
        sink: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        rest: bytes,
    ) -> bytes:
        """Let it happen; what is to be sent afterwards."""
        if trouble.kind == "delay":
            await asyncio.sleep(trouble.seconds)
            return rest
        if trouble.kind == "drip":
            for at in range(len(rest)):
                await self._send(sink, rest[at : at + 1])
                await asyncio.sleep(trouble.seconds)
            return b""
        if trouble.kind == "half":
            ends[1].close()
        if trouble.kind in ("stall", "half"):
            await asyncio.sleep(3600)  # not an event of its own, which would be collected with its task
        for end in ends:
            if trouble.kind == "reset":
                there: socket.socket = end.get_extra_info("socket")
                there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()
        raise ConnectionResetError

    async def _send(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        sink.write(data)
        await sink.drain()

    def run(self) -> None:
        """Serve until `stop`."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def stop(self) -> None:
        """End every connection, and the loop."""

        async def end() -> None:
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            self._loop.stop()

        self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(end()))


@contextmanager
def faulty_proxy(target: str, troubles: Sequence[Trouble] = ()) -> Iterator[Proxy]:
    """A proxy in front of a server's URL, in a thread of its own."""
    proxy = Proxy(target)
    proxy.plan(*troubles)
    server = proxy._loop.run_until_complete(proxy.start())
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(server.close)
        proxy.stop()
        thread.join(10)
        proxy._loop.close()
