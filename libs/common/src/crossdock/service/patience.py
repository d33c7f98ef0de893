"""HTTP with bounded patience: whoever sends too slowly, or a head too large, loses the connection; others wait for
nobody.

Guards: a connection that has not brought a whole request costs a bounded time and a bounded memory, and a newcomer is
never kept out by those who wait.
"""

from asyncio import TimerHandle, Transport
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_SECONDS = 10.0
"""From the connection, or the first byte of a request, to the end of its head."""

HEAD_BYTES = 64 * 2**10
BODY_SECONDS = 10.0
BODY_BYTES = 10 * 2**10
"""While a body comes, every so many seconds bring at least so many bytes: a kilobyte a second."""

WAITING = 1000
"""Connections that have not brought a whole head; beyond it the one that has waited longest gives way."""

_waiting: WeakKeyDictionary[ServerState, dict["PatientProtocol", None]] = WeakKeyDictionary()


class PatientProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._others = _waiting.setdefault(server_state, {})
        self._timer: TimerHandle | None = None
        self._in_head = True
        self._in_body = False
        self._arrived = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Somebody connected: the first head is awaited."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._await_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes came. A request that came whole costs no timer."""
        self._arrived += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            if self._arrived > HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large", b"The head of the request is too large.")
            elif self._timer is None:
                self._await_head()
        elif self._in_body:
            if self in self._others or self._timer is None:
                self._await_body()
        elif self._timer is not None:
            self._await_nothing()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head, self._in_body = True, False

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head, self._in_body = False, True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_body, self._arrived = False, 0
        super().on_message_complete()

    def _await_head(self) -> None:
        self._others[self] = None
        self._timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)
        if len(self._others) > WAITING:
            next(iter(self._others)).give_way()

    def _await_body(self) -> None:
        self._await_nothing()
        self._arrived = 0
        self._timer = self.loop.call_later(BODY_SECONDS, self._look_at_body)

    def _await_nothing(self) -> None:
        self._others.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at_body(self) -> None:
        if self._arrived >= BODY_BYTES or self.flow.read_paused:  # paused: it is we who do not read
            self._await_body()
        else:
            self.give_way()

    def _head_is_late(self) -> None:
        self._refuse(b"408 Request Timeout", b"The request took too long to arrive.")

    def _refuse(self, status: bytes, sentence: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            about = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d" % len(
                sentence
            )
            self.transport.write(b"HTTP/1.1 %b\r\n%b\r\n\r\n%b" % (status, about, sentence))
        self.give_way()

    def give_way(self) -> None:
        """Close the connection."""
        self._await_nothing()
        self.transport.close()
