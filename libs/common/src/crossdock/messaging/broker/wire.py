"""Content frames of AMQP 0-9-1, written and read by hand: a message costs microseconds, and no input can raise here.

Everything rare (handshake, heartbeat, declare, consume, close) is aiormq's. These frames are the hot path: pamqp takes
27 µs to write and 26 to 40 µs to read the three frames of one of our messages (600 bytes, 7 headers), this module 9
and 9 (CPython 3.11, two shared cores).
Frame layout: AMQP 0-9-1 specification, sections 2.3 and 4.2; field types as RabbitMQ writes them
(https://www.rabbitmq.com/amqp-0-9-1-errata#section_3).
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pamqp import decode as slow

from crossdock.messaging.envelope import Incoming, Outgoing

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_TYPES = frozenset((METHOD, HEADER, BODY, HEARTBEAT))
HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"
FRAME_OVERHEAD = 8
FRAME_HEAD = struct.Struct(">BHI")

# RabbitMQ 4 refuses a larger message by closing the channel, 3.x at 128 MiB; the smaller one holds for both.
LARGEST_BODY = 16 * 1024 * 1024

_CHANNEL_CLOSE = 20 << 16 | 40
_BASIC = 60
_PUBLISH, _RETURN, _DELIVER, _ACK, _NACK = (_BASIC << 16 | method for method in (40, 50, 60, 80, 120))

_U16, _U32, _U64, _I64 = (struct.Struct(code) for code in (">H", ">I", ">Q", ">q"))
_PUBLISH_HEAD = struct.Struct(">IH")
_CONTENT_HEAD = struct.Struct(">HHQH")
_ACK_FRAME = struct.Struct(">BHIIQBB")

_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _CORRELATION_ID = 0x8000, 0x2000, 0x1000, 0x0400
_MESSAGE_ID, _TIMESTAMP, _TYPE, _APP_ID = 0x0080, 0x0040, 0x0020, 0x0008
_ALWAYS = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _MESSAGE_ID | _TIMESTAMP | _TYPE | _APP_ID
_PERSISTENT = b"\x02"


class Unsendable(ValueError):
    """A message that no AMQP frame can carry; the text says which part, without its value."""


def _short(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 255:
        raise Unsendable("a name or id in it is longer than the 255 bytes that AMQP allows")
    return bytes((len(raw),)) + raw


_short_known = lru_cache(maxsize=4096)(_short)  # types, exchanges, queues and header names: few and repeated
_JSON = _short("application/json")


def _field(value: str | int) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return b"S" + _U32.pack(len(raw)) + raw
    if isinstance(value, bool):
        return b"t\x01" if value else b"t\x00"
    try:
        return b"l" + _I64.pack(value)
    except struct.error:
        raise Unsendable("a number in its headers does not fit into 64 bits") from None


def _table(fields: Mapping[str, str | int]) -> bytes:
    packed = b"".join([_short_known(name) + _field(value) for name, value in fields.items()])
    return _U32.pack(len(packed)) + packed


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return FRAME_HEAD.pack(kind, channel, len(payload)) + payload + b"\xce"


def publish_frames(
    message: Outgoing, *, channel: int, mandatory: bool, app_id: str, timestamp: int, frame_max: int
) -> bytes:
    """The frames that publish one persistent message; `timestamp` is in seconds since 1970, `frame_max` in bytes.

    Raises Unsendable when the message breaks a limit of the protocol or of RabbitMQ, which would close the channel.
    """
    body = message.body
    if len(body) > LARGEST_BODY:
        raise Unsendable(f"its body has {len(body)} bytes, and RabbitMQ takes at most {LARGEST_BODY}")
    method = (
        _PUBLISH_HEAD.pack(_PUBLISH, 0)
        + _short_known(message.exchange)
        + _short_known(message.routing_key)
        + (b"\x01" if mandatory else b"\x00")
    )
    correlation = message.correlation_id
    header = b"".join(
        (
            _CONTENT_HEAD.pack(_BASIC, 0, len(body), _ALWAYS | _CORRELATION_ID if correlation else _ALWAYS),
            _JSON,
            _table(message.headers),
            _PERSISTENT,
            _short(correlation) if correlation else b"",
            _short(str(message.message_id)),
            _U64.pack(timestamp),
            _short_known(message.type),
            _short_known(app_id),
        )
    )
    room = frame_max - FRAME_OVERHEAD
    if len(header) > room:
        raise Unsendable(f"its headers have {len(header)} bytes, and one frame holds {room}")
    bodies = [_frame(BODY, channel, body[at : at + room]) for at in range(0, len(body), room)]
    return b"".join((_frame(METHOD, channel, method), _frame(HEADER, channel, header), *bodies))


def ack_frame(channel: int, tag: int, *, multiple: bool) -> bytes:
    """The frame that settles delivery `tag`, with `multiple` every one before it on the channel too."""
    return _ACK_FRAME.pack(METHOD, channel, 13, _BASIC << 16 | 80, tag, multiple, 0xCE)


class Content:
    """A message from the broker as it came: delivered to a consumer, or returned to its publisher."""

    __slots__ = ("body", "header", "method")

    def __init__(self, method: bytes, header: bytes, body: bytes) -> None:
        self.method = method
        self.header = header
        self.body = body

    def delivery(self) -> tuple[int, bool]:
        """Of a basic.deliver: its tag, and whether it was delivered before."""
        after_consumer = 5 + self.method[4]
        return _U64.unpack_from(self.method, after_consumer)[0], bool(self.method[after_consumer + 8] & 1)

    def why_returned(self) -> str:
        """Of a basic.return: the broker's reply code and text, such as "312 NO_ROUTE"."""
        length = self.method[6]
        text = self.method[7 : 7 + length].decode("utf-8", "replace")
        return f"{_U16.unpack_from(self.method, 4)[0]} {text}"

    def message(self) -> tuple[Incoming, int]:
        """The message, and how often a quorum queue delivered it before.

        Properties that cannot be read are absent, so that decoding the message parks it. The count leaves the headers:
        it belongs to the queue, and a message sent again with it would lie about its first delivery.
        """
        try:
            properties, headers = _properties(self.header)
        except (ValueError, IndexError, struct.error):
            return Incoming(None, None, None, {}, self.body), 0
        count = headers.pop("x-delivery-count", 0)
        message = Incoming(
            message_id=properties.get(_MESSAGE_ID),
            type=properties.get(_TYPE),
            correlation_id=properties.get(_CORRELATION_ID),
            headers=headers,
            body=self.body,
        )
        return message, count if isinstance(count, int) else 0


class ChannelSink:
    """Puts the content frames of one channel together; every other frame of the channel is left to aiormq.

    `closed` from the moment the broker closes the channel: any frame on it now would cost the whole connection.
    """

    def __init__(self, on_content: Callable[[bool, Content], None], on_confirm: Callable[[int, bool, bool], None]):
        """`on_content(returned, content)`; `on_confirm(tag, multiple, accepted)` for what was published."""
        self.closed = False
        self._on_content = on_content
        self._on_confirm = on_confirm
        self._method = b""
        self._header = b""
        self._missing = 0
        self._parts: list[bytes] = []

    def frame(self, kind: int, payload: bytes) -> bool:
        """Take one frame; False when it is none of content."""
        if kind == BODY:
            self._parts.append(payload)
            self._missing -= len(payload)
            if self._missing <= 0:
                self._finish(self._parts[0] if len(self._parts) == 1 else b"".join(self._parts))
            return True
        if kind == METHOD:
            (method,) = _U32.unpack_from(payload)
            if method in (_DELIVER, _RETURN):
                self._method = payload
                return True
            if method in (_ACK, _NACK):
                self._on_confirm(_U64.unpack_from(payload, 4)[0], bool(payload[12] & 1), method == _ACK)
                return True
            self.closed = self.closed or method == _CHANNEL_CLOSE
            return False
        if kind == HEADER and self._method:
            self._header = payload
            (self._missing,) = _U64.unpack_from(payload, 4)
            self._parts = []
            if not self._missing:
                self._finish(b"")
            return True
        return False

    def _finish(self, body: bytes) -> None:
        method, self._method = self._method, b""
        self._on_content(_U32.unpack_from(method)[0] == _RETURN, Content(method, self._header, body))


def _short_at(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end].decode("utf-8", "replace"), end


def _properties(header: bytes) -> tuple[dict[int, str], dict[str, Any]]:
    """Read a content header payload: the short strings by their flag, and the headers."""
    (flags,) = _U16.unpack_from(header, 12)
    at = 14
    texts: dict[int, str] = {}
    headers: dict[str, Any] = {}
    flag = 0x8000
    while flag > 2:
        if flags & flag:
            if flag == _HEADERS:
                headers, at = _table_at(header, at)
            elif flag in (_DELIVERY_MODE, 0x0800):  # octets: delivery mode, priority
                at += 1
            elif flag == _TIMESTAMP:
                at += 8
            else:
                texts[flag], at = _short_at(header, at)
        flag >>= 1
    return texts, headers


def _table_at(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    end = at + 4 + _U32.unpack_from(data, at)[0]
    at += 4
    fields: dict[str, Any] = {}
    while at < end:
        stop = at + 1 + data[at]
        name = data[at + 1 : stop].decode("utf-8", "replace")
        kind = data[stop]
        if kind == 0x53:  # "S", a long string
            at = stop + 5 + _U32.unpack_from(data, stop + 1)[0]
            fields[name] = data[stop + 5 : at].decode("utf-8", "replace")
        elif kind == 0x6C:  # "l", a 64-bit integer
            (fields[name],) = _I64.unpack_from(data, stop + 1)
            at = stop + 9
        else:
            used, fields[name] = slow.embedded_value(data[stop:end])
            at = stop + used
    return fields, end
