"""What every connector must hold to, ours or a third party's: subclass a suite, give it a subject, and run pytest.

    class TestMyWebhooks(WebhookSuite):
        @pytest.fixture
        def webhooks(self) -> WebhookSubject: ...

The suites need no more of the outside than a subject says; misbehaving servers they bring along.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from crossdock.channels import http
from crossdock.channels.errors import AuthExpired, RateLimited, Retryable, Unknown
from crossdock.channels.model import Ignored, RawWebhook, Refused, Unreadable, Verified
from crossdock.channels.protocols import (
    ChannelAccess,
    FulfillmentProvider,
    ShipmentNotice,
    ShipmentSink,
    ShipRequest,
    TagSink,
    WebhookSource,
)

GARBAGE = (
    b"",
    b"\x00\xff\xfe",
    b"{",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"1e999999999",
    b"[" * 50_000,
    b'{"id": "\\u0000\\ud800"}',
    b'{"id": ' + b"9" * 5000 + b"}",
    b'{"id": {"id": [[[]]]}, "line_items": {"0": null}, "packages": [1]}',
)
"""Bodies that no vendor means; a connector answers each, and never with something to act on."""


@dataclass(frozen=True)
class WebhookSubject:
    """A connector's webhooks. `sign` makes a delivery of topic, body, secret and time as the vendor would; `examples`
    are bodies by topic that must be read as something to act on; `stale_after` is None when the vendor signs no time.
    """

    source: WebhookSource
    sign: Callable[[str, bytes, bytes, datetime], RawWebhook]
    secret: bytes
    other_secret: bytes
    now: datetime
    examples: Mapping[str, bytes]
    stale_after: timedelta | None = None


class WebhookSuite:
    """Only what is signed is let in; whatever is let in is answered."""

    def test_a_good_signature_is_verified_with_its_topic_and_delivery_id(self, webhooks: WebhookSubject) -> None:
        for topic, body in webhooks.examples.items():
            found = webhooks.source.verify(
                webhooks.sign(topic, body, webhooks.secret, webhooks.now), [webhooks.secret], webhooks.now
            )
            assert isinstance(found, Verified), found
            assert found.topic == topic or len(webhooks.examples) > 1
            assert found.delivery_id

    def test_each_of_several_secrets_is_accepted(self, webhooks: WebhookSubject) -> None:
        both = [webhooks.other_secret, webhooks.secret]
        for topic, body in webhooks.examples.items():
            for secret in both:
                delivery = webhooks.sign(topic, body, secret, webhooks.now)
                assert isinstance(webhooks.source.verify(delivery, both, webhooks.now), Verified)

    def test_a_tampered_body_or_another_secret_or_none_is_refused(self, webhooks: WebhookSubject) -> None:
        for topic, body in webhooks.examples.items():
            good = webhooks.sign(topic, body, webhooks.secret, webhooks.now)
            for delivery, secrets in (
                (replace(good, body=body + b" "), [webhooks.secret]),
                (replace(good, body=body[:-1]), [webhooks.secret]),
                (good, [webhooks.other_secret]),
                (good, []),
                (RawWebhook({}, body), [webhooks.secret]),
            ):
                assert isinstance(webhooks.source.verify(delivery, secrets, webhooks.now), Refused)

    def test_a_stale_signature_is_refused(self, webhooks: WebhookSubject) -> None:
        if webhooks.stale_after is None:
            pytest.skip("the vendor signs no time")
        for topic, body in webhooks.examples.items():
            for age in (webhooks.stale_after, -webhooks.stale_after):
                delivery = webhooks.sign(topic, body, webhooks.secret, webhooks.now - age * 1.1)
                assert isinstance(webhooks.source.verify(delivery, [webhooks.secret], webhooks.now), Refused)

    def test_garbage_is_answered_and_asks_for_nothing(self, webhooks: WebhookSubject) -> None:
        for topic in (*webhooks.examples, "", "no/such.topic", "x" * 10_000, "\0"):
            for body in GARBAGE:
                for found in webhooks.source.parse(topic, body):
                    assert isinstance(found, Ignored | Unreadable), (topic, body[:50], found)
                    assert found.reason

    def test_good_bodies_are_read_as_something_to_act_on_and_always_alike(self, webhooks: WebhookSubject) -> None:
        for topic, body in webhooks.examples.items():
            assert webhooks.source.category(topic) is not None
            found = webhooks.source.parse(topic, body)
            assert found
            assert not any(isinstance(one, Ignored | Unreadable) for one in found)
            assert webhooks.source.parse(topic, body) == found


@dataclass(frozen=True)
class ShipmentSubject:
    """A place to write parcels to. `parcels` counts what the outside holds of `notice`; `lose_reply` makes the next
    write happen without an answer."""

    sink: ShipmentSink
    access: ChannelAccess
    notice: ShipmentNotice
    parcels: Callable[[], int]
    lose_reply: Callable[[], None]


class ShipmentSuite:
    """A parcel is written once, whatever becomes of the answers."""

    async def test_a_parcel_pushed_twice_is_there_once(self, shipments: ShipmentSubject) -> None:
        first = await shipments.sink.push_shipment(shipments.access, shipments.notice)
        evidence = await shipments.sink.find_shipment(shipments.access, shipments.notice)
        assert evidence.found is not None
        assert evidence.found.external_id == first.external_id
        again = await shipments.sink.push_shipment(shipments.access, shipments.notice)
        assert again.adopted
        assert shipments.parcels() == 1

    async def test_a_parcel_that_is_not_there_is_not_found(self, shipments: ShipmentSubject) -> None:
        evidence = await shipments.sink.find_shipment(shipments.access, shipments.notice)
        assert evidence.found is None
        assert evidence.note

    async def test_a_lost_answer_is_unknown_and_a_look_finds_the_parcel(self, shipments: ShipmentSubject) -> None:
        shipments.lose_reply()
        with pytest.raises(Unknown):
            await shipments.sink.push_shipment(shipments.access, shipments.notice)
        evidence = await shipments.sink.find_shipment(shipments.access, shipments.notice)
        assert evidence.found is not None
        assert shipments.parcels() == 1

    async def test_trouble_is_told_by_type(self, shipments: ShipmentSubject) -> None:
        async def push(to: ChannelAccess) -> Any:
            return await shipments.sink.push_shipment(to, shipments.notice)

        async def find(to: ChannelAccess) -> Any:
            return await shipments.sink.find_shipment(to, shipments.notice)

        for call in (push, find):
            await check_trouble(call)
        assert shipments.parcels() == 0


@dataclass(frozen=True)
class TagSubject:
    """An order to tag. `tags` are those that the outside holds of it, others' among them; `lose_reply` makes the next
    write happen without an answer."""

    sink: TagSink
    access: ChannelAccess
    external_id: str
    tags: Callable[[], list[str]]
    lose_reply: Callable[[], None]


class TagSuite:
    """A tag is there once, whatever becomes of the answers, and takes no other away."""

    async def test_a_tag_added_twice_is_there_once_beside_the_others(self, tagged: TagSubject) -> None:
        before = tagged.tags()
        for _ in range(2):
            await tagged.sink.add_tag(tagged.access, tagged.external_id, "Conformance")
        assert sorted(tagged.tags()) == sorted([*before, "Conformance"])
        evidence = await tagged.sink.find_tag(tagged.access, tagged.external_id, "Conformance")
        assert evidence.found is not None

    async def test_a_tag_that_is_not_there_is_not_found(self, tagged: TagSubject) -> None:
        evidence = await tagged.sink.find_tag(tagged.access, tagged.external_id, "Conformance")
        assert evidence.found is None
        assert evidence.note

    async def test_a_lost_answer_is_unknown_and_a_look_finds_the_tag(self, tagged: TagSubject) -> None:
        tagged.lose_reply()
        with pytest.raises(Unknown):
            await tagged.sink.add_tag(tagged.access, tagged.external_id, "Conformance")
        evidence = await tagged.sink.find_tag(tagged.access, tagged.external_id, "Conformance")
        assert evidence.found is not None

    async def test_trouble_is_told_by_type(self, tagged: TagSubject) -> None:
        async def add(to: ChannelAccess) -> Any:
            return await tagged.sink.add_tag(to, tagged.external_id, "Conformance")

        async def find(to: ChannelAccess) -> Any:
            return await tagged.sink.find_tag(to, tagged.external_id, "Conformance")

        await check_trouble(add, write=True)
        await check_trouble(find)


@dataclass(frozen=True)
class ProviderSubject:
    """A destination to ask. `requests` counts what it holds of the request's reference; `lose_reply` makes the next
    submission happen without an answer."""

    provider: FulfillmentProvider
    access: ChannelAccess
    request: ShipRequest
    requests: Callable[[], int]
    lose_reply: Callable[[], None]


class ProviderSuite:
    """A request is asked for once, can be found by its reference, and can be stopped."""

    async def test_an_accepted_request_is_found_by_its_reference(self, provider: ProviderSubject) -> None:
        assert await provider.provider.status(provider.access, provider.request.reference) is None
        taken = await provider.provider.submit(provider.access, provider.request)
        assert taken.state == "accepted"
        found = await provider.provider.status(provider.access, provider.request.reference)
        assert found is not None
        assert found.external_id == taken.external_id
        assert provider.requests() == 1

    async def test_a_lost_answer_is_unknown_and_a_look_finds_the_request(self, provider: ProviderSubject) -> None:
        provider.lose_reply()
        with pytest.raises(Unknown):
            await provider.provider.submit(provider.access, provider.request)
        found = await provider.provider.status(provider.access, provider.request.reference)
        assert found is not None
        assert found.state == "accepted"
        assert provider.requests() == 1

    async def test_a_cancellation_tells_what_it_stopped_and_can_be_repeated(self, provider: ProviderSubject) -> None:
        taken = await provider.provider.submit(provider.access, provider.request)
        stopped = await provider.provider.cancel(provider.access, taken.external_id, provider.request.reference)
        assert stopped.state == "cancelled"
        asked = {line.line_id: line.quantity for line in provider.request.lines}
        assert {line.line_id: line.quantity for line in stopped.cancelled} == asked
        again = await provider.provider.cancel(provider.access, taken.external_id, provider.request.reference)
        assert again.cancelled == stopped.cancelled

    async def test_trouble_is_told_by_type(self, provider: ProviderSubject) -> None:
        async def submit(to: ChannelAccess) -> Any:
            return await provider.provider.submit(to, provider.request)

        async def cancel(to: ChannelAccess) -> Any:
            return await provider.provider.cancel(to, "REQ-1", provider.request.reference)

        async def status(to: ChannelAccess) -> Any:
            return await provider.provider.status(to, provider.request.reference)

        await check_trouble(submit, write=True)
        await check_trouble(cancel, write=True)
        await check_trouble(status)
        assert provider.requests() == 0


async def check_trouble(call: Callable[[ChannelAccess], Any], *, write: bool = False) -> None:
    """A call against servers that limit, refuse the token, fail, hang, or aren't there: each has its type.

    `write`: the first request of the call may change something, so a failure of the server is Unknown.
    """
    async with answering(429, {"retry-after": "3"}) as to:
        with pytest.raises(RateLimited) as limited:
            await call(to)
        assert limited.value.after >= 3
    async with answering(401, {}) as to:
        with pytest.raises(AuthExpired):
            await call(to)
    lost = Unknown if write else Retryable
    for status in (500, 503):
        async with answering(status, {}) as to:
            with pytest.raises(lost):
                await call(to)
    async with answering(0, {}) as to:
        with pytest.raises(lost):
            await call(to)
    with pytest.raises(Retryable):
        await call(ChannelAccess(to.base_url, "token", {}))


@asynccontextmanager
async def answering(status: int, headers: Mapping[str, str]) -> AsyncIterator[ChannelAccess]:
    """A server that answers everything with one status and no body; with status 0 it never answers."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            if status == 0:
                await reader.read()
            else:
                lines = [f"HTTP/1.1 {status} X", "content-length: 0", "connection: close"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        port = listening.sockets[0].getsockname()[1]
        yield ChannelAccess(f"http://127.0.0.1:{port}", "token", {"timeout_seconds": 0.5})
    finally:
        await http.close_client()
        listening.close()
        await listening.wait_closed()


def check_unsupported(connector: Any, protocols: Sequence[Any]) -> None:
    """A connector either satisfies a protocol whole or has none of its methods, so that `isinstance` can tell."""
    for protocol in protocols:
        methods = [name for name in vars(protocol) if not name.startswith("_")]
        has = [name for name in methods if hasattr(connector, name)]
        assert has in ([], methods), f"{type(connector).__name__} has only {has} of {protocol.__name__}"
