"""Limits of a connection: its timeouts, and how many there may be.

uvicorn waits as long as a client likes: for the head of a request, for the rest
of a body that nobody reads any more, and for somebody to take the answer. Each
would hold a connection for nothing. So there is one clock per connection. It
runs while nothing is being answered, from the beginning or the last answer
until the next head is complete, and while the client has not taken an answer;
it ends the connection. Who takes an answer by drops holds its memory, so there
is a pace: a part of it each time that the clock runs down. The body itself has
the time of the answer.

h11 and not httptools, whatever is installed: one parser, whose limits are known.
It keeps at most 64 kB of a head.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_PARTS = 64  # of an answer; one at least is taken each time
_LEAST = 64 << 10  # bytes that are taken each time, whatever the answer

_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


class BoundedConnection(H11Protocol):
    """A connection with limits, which are a class's own: see `bounded`."""

    patience: ClassVar[float]
    most: ClassVar[int]
    _clock: asyncio.TimerHandle | None = None
    _unsent: int = 0
    _part: int = _LEAST

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse the connection if there are too many; else start its clock."""
        super().connection_made(cast("asyncio.Transport", transport))
        if len(self.connections) > self.most:
            self.transport.write(_FULL)
            self.transport.close()
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a request's head is complete."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before and not self.cycle.response_complete:
            self._served()

    def on_response_complete(self) -> None:
        """Start the clock for the next head, or for the rest of a body that was not read."""
        before = self.cycle
        self._start()
        super().on_response_complete()
        if self.cycle is not before and not self.cycle.response_complete:  # it was here already
            self._served()

    def pause_writing(self) -> None:
        """Start the clock: the client does not read."""
        super().pause_writing()
        self._start()

    def resume_writing(self) -> None:
        """Stop the clock: the client reads again."""
        super().resume_writing()
        if self.cycle and not self.cycle.response_complete:
            self._stop()

    def _served(self) -> None:
        """Stop the clock while a request is answered, unless the response before it was not read."""
        if not self.flow.write_paused:
            self._stop()

    def _start(self) -> None:
        self._part = max(_LEAST, self.transport.get_write_buffer_size() // _PARTS)
        self._wait()

    def _wait(self) -> None:
        self._stop()
        self._unsent = self.transport.get_write_buffer_size()
        self._clock = self.loop.call_later(self.patience, self._expired)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _expired(self) -> None:
        """Close the connection, unless the client reads a response at some pace."""
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent <= self._unsent - self._part:
            self._wait()
        elif unsent or self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self.transport.abort()
        else:
            self.transport.write(_LATE)
            self.transport.close()
            self._start()


def bounded(patience: float, most: int) -> type[asyncio.Protocol]:
    """Return the class of connections with these timeouts and this limit."""
    limits: dict[str, Any] = {"patience": patience, "most": most}
    return type("Connection", (BoundedConnection,), limits)
