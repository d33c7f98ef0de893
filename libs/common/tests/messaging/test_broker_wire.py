"""Our hand-written frames say the same as pamqp's, whole and in whatever pieces the network delivers them."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import body, commands, frame, header

from crossdock.messaging.broker import wire
from crossdock.messaging.broker.link import Tap
from crossdock.messaging.envelope import Incoming, Outgoing, new_id

names = st.text(max_size=40)
values = st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1))
messages = st.builds(
    Outgoing,
    message_id=st.uuids(),
    type=names,
    exchange=names,
    routing_key=names,
    correlation_id=names,
    headers=st.dictionaries(st.text(min_size=1, max_size=40), values, max_size=5),
    body=st.binary(max_size=300),
)


def frames_of(data: bytes) -> list[tuple[int, Any]]:
    """What pamqp reads in these bytes: (channel, frame)."""
    found = []
    while data:
        used, channel, each = frame.unmarshal(data)
        found.append((channel, each))
        data = data[used:]
    return found


def publish(message: Outgoing, *, mandatory: bool = False, frame_max: int = 131_072) -> bytes:
    return wire.publish_frames(
        message, channel=7, mandatory=mandatory, app_id="inventory", timestamp=1_700_000_000, frame_max=frame_max
    )


def delivered(tag: int, body_bytes: bytes, *, channel: int = 7, properties: Any = None) -> bytes:
    """The frames in which a broker delivers a message, as pamqp writes them."""
    parts: list[Any] = [
        commands.Basic.Deliver("a-consumer", tag, tag % 2 == 0, "events", "order.matched.v1"),
        header.ContentHeader(body_size=len(body_bytes), properties=properties or commands.Basic.Properties()),
    ]
    parts += [body.ContentBody(body_bytes[at : at + 50]) for at in range(0, len(body_bytes), 50)]
    return b"".join(frame.marshal(part, channel) for part in parts)


@given(message=messages, mandatory=st.booleans())
def test_what_we_publish_is_what_pamqp_reads(message: Outgoing, mandatory: bool) -> None:
    (channel, method), (_, head), *bodies = frames_of(publish(message, mandatory=mandatory, frame_max=4096))
    assert channel == 7
    assert (method.exchange, method.routing_key, method.mandatory) == (message.exchange, message.routing_key, mandatory)
    read = head.properties
    assert (read.message_id, read.message_type or "") == (str(message.message_id), message.type)
    assert (read.correlation_id or "", read.headers) == (message.correlation_id, dict(message.headers))
    assert (read.delivery_mode, read.content_type, read.app_id) == (2, "application/json", "inventory")
    assert read.timestamp == datetime.fromtimestamp(1_700_000_000, UTC)
    assert (head.body_size, b"".join(part.value for _, part in bodies)) == (len(message.body), message.body)


def test_a_body_larger_than_a_frame_is_split() -> None:
    message = Outgoing(new_id(), "t", "events", "t", "c", {}, bytes(10_000))
    sizes = [len(each.value) for _, each in frames_of(publish(message, frame_max=4096))[2:]]
    assert sizes == [4088, 4088, 1824]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"routing_key": "é" * 128}, "255 bytes"),
        ({"type": "x" * 256}, "255 bytes"),
        ({"correlation_id": "x" * 256}, "255 bytes"),
        ({"headers": {"x" * 256: "v"}}, "255 bytes"),
        ({"headers": {"x-attempt": 2**63}}, "64 bits"),
        ({"headers": {"x-note": "v" * 131_072}}, "one frame holds"),
        ({"body": bytes(wire.LARGEST_BODY + 1)}, "at most"),
    ],
)
def test_what_a_frame_cannot_carry_is_told_without_its_value(change: dict[str, Any], reason: str) -> None:
    fields: dict[str, Any] = {"type": "t", "exchange": "e", "routing_key": "k", "correlation_id": "c", "headers": {}}
    message = Outgoing(message_id=new_id(), **{**fields, "body": b"", **change})
    with pytest.raises(wire.Unsendable, match=reason) as refused:
        publish(message)
    assert "xxx" not in str(refused.value)
    assert "vvv" not in str(refused.value)


def test_an_acknowledgement_is_what_pamqp_reads() -> None:
    for multiple in (False, True):
        ((channel, ack),) = frames_of(wire.ack_frame(3, 2**40, multiple=multiple))
        assert (channel, ack.name, ack.delivery_tag, ack.multiple) == (3, "Basic.Ack", 2**40, multiple)


def read(properties: commands.Basic.Properties) -> tuple[Incoming, int]:
    payload = frame.marshal(header.ContentHeader(body_size=2, properties=properties), 1)[7:-1]
    return wire.Content(b"", payload, b"{}").message()


def test_a_message_of_another_publisher_is_read_whatever_its_headers() -> None:
    sent: dict[str, Any] = {
        "text": "é",
        "long": 2**40,
        "small": 7,
        "flag": True,
        "none": None,
        "decimal": Decimal("1.50"),
        "when": datetime(2026, 11, 21, tzinfo=UTC),
        "list": ["a", 1, {"deep": "b"}],
        "table": {"inner": {"x": "y"}},
        "last": "after all these",
    }
    message, count = read(
        commands.Basic.Properties(
            content_type="application/json",
            content_encoding="utf-8",
            headers=sent,
            priority=3,
            correlation_id="c",
            reply_to="r",
            expiration="60000",
            message_id="m",
            message_type="t",
            user_id="u",
        )
    )
    assert (message.message_id, message.type, message.correlation_id) == ("m", "t", "c")
    assert message.headers == sent
    assert count == 0


def test_the_count_of_deliveries_belongs_to_the_queue_and_leaves_the_headers() -> None:
    message, count = read(commands.Basic.Properties(headers={"x-delivery-count": 3, "x-attempt": 1}))
    assert count == 3
    assert message.headers == {"x-attempt": 1}


@given(st.binary(max_size=80))
def test_no_properties_can_make_reading_fail(garbage: bytes) -> None:
    message, count = wire.Content(b"", bytes(12) + garbage, b"{}").message()
    assert message.body == b"{}"
    assert isinstance(count, int)


class Heard(Tap):
    """A tap whose channel 7 is ours and whose other frames are collected."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.contents: list[tuple[bool, wire.Content]] = []
        self.confirms: list[tuple[int, bool, bool]] = []
        self.reader = asyncio.StreamReader(loop=loop)
        super().__init__(self.reader, loop)
        self.sink = self.sinks[7] = wire.ChannelSink(
            lambda returned, content: self.contents.append((returned, content)),
            lambda tag, multiple, accepted: self.confirms.append((tag, multiple, accepted)),
        )


@given(data=st.data())
def test_frames_are_found_however_the_network_cuts_them(data: st.DataObject) -> None:
    bodies = data.draw(st.lists(st.binary(max_size=120), min_size=1, max_size=4))
    others = b""
    stream = b""
    for tag, content in enumerate(bodies, 1):
        stream += delivered(tag, content)
        other = frame.marshal(commands.Basic.QosOk(), 7) + delivered(9, b"not ours", channel=8)
        stream += other + frame.marshal(commands.Basic.Ack(tag, True), 7) + frame.marshal(commands.Basic.Nack(tag), 7)
        others += other
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=8)))

    async def route() -> None:
        tap = Heard(asyncio.get_running_loop())
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            tap.data_received(stream[start:end])
        assert [(returned, content.body) for returned, content in tap.contents] == [(False, each) for each in bodies]
        deliveries = [content.delivery() for _, content in tap.contents]
        assert deliveries == [(tag, tag % 2 == 0) for tag in range(1, len(bodies) + 1)]
        expected = [answer for tag in range(1, len(bodies) + 1) for answer in ((tag, True, True), (tag, False, False))]
        assert tap.confirms == expected
        tap.reader.feed_eof()
        assert await tap.reader.read() == others

    asyncio.run(route())


async def test_a_returned_message_says_why() -> None:
    tap = Heard(asyncio.get_running_loop())
    sent = UUID(int=5)
    for part in (
        commands.Basic.Return(312, "NO_ROUTE", "events", "order.lost.v1"),
        header.ContentHeader(body_size=0, properties=commands.Basic.Properties(message_id=str(sent))),
    ):
        tap.data_received(frame.marshal(part, 7))
    ((returned, content),) = tap.contents
    assert returned
    assert content.why_returned() == "312 NO_ROUTE"
    assert content.message()[0].message_id == str(sent)


async def test_a_channel_is_known_to_be_closed_before_anything_else_is_written_on_it() -> None:
    tap = Heard(asyncio.get_running_loop())
    assert not tap.sink.closed
    tap.data_received(frame.marshal(commands.Channel.Close(406, "PRECONDITION_FAILED", 60, 80), 7))
    assert tap.sink.closed


async def test_a_peer_that_does_not_speak_amqp_is_left_to_aiormq_to_explain() -> None:
    tap = Heard(asyncio.get_running_loop())
    tap.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    tap.reader.feed_eof()
    assert (await tap.reader.read()).startswith(b"HTTP/1.1")


async def test_while_content_flows_aiormq_still_hears_a_heartbeat() -> None:
    tap = Heard(asyncio.get_running_loop())
    tap.told -= 5  # as if the last frame for aiormq had come 5 s ago
    tap.data_received(delivered(1, b"x"))
    tap.data_received(delivered(2, b"x"))
    tap.reader.feed_eof()
    assert await tap.reader.read() == wire.HEARTBEAT_FRAME
