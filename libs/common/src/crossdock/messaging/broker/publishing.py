"""Windows of messages and their confirms: a message counts as published only when the broker has said so."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from crossdock.messaging.broker.link import Link
from crossdock.messaging.broker.wire import ChannelSink, Content, Unsendable, publish_frames
from crossdock.messaging.envelope import Outgoing

LARGEST_WINDOW = 200
CONFIRM_TIMEOUT = 5.0
_LARGEST_BACKLOG = 16 * 1024 * 1024


@dataclass(slots=True)
class Published:
    """What became of a window: ids the broker answers for, and ids it returned or refused, each with the reason."""

    confirmed: list[UUID] = field(default_factory=list)
    refused: dict[UUID, str] = field(default_factory=dict)


class BrokerAway(Exception):
    """Not connected, or a confirm did not come in time: what is not in `published` may or may not have arrived."""

    def __init__(self, reason: str, published: Published | None = None):
        super().__init__(reason)
        self.published = published if published is not None else Published()


class Window:
    """Messages sent together; `settled` is done when the broker has answered for every one."""

    def __init__(self, first_tag: int, messages: Sequence[UUID]):
        self.pending = dict(enumerate(messages, first_tag))
        self.last_tag = first_tag + len(messages) - 1
        self.published = Published()
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        """Take one ack or nack of the broker, which may be for every tag up to this one."""
        for each in [each for each in self.pending if each <= tag] if multiple else self.pending.keys() & {tag}:
            message_id = self.pending.pop(each)
            if message_id in self.published.refused:
                continue
            if accepted:
                self.published.confirmed.append(message_id)
            else:
                self.published.refused[message_id] = "the broker could not store it (nack)"
        if not self.pending and not self.settled.done():
            self.settled.set_result(None)

    def fail(self, reason: str) -> None:
        """Nothing more will be heard of this window."""
        if not self.settled.done():
            self.settled.set_exception(BrokerAway(reason, self.published))


class Confirms:
    """The windows in flight on one publishing channel, in the order in which they were sent."""

    def __init__(self) -> None:
        self._next_tag = 1
        self._windows: list[Window] = []

    def open(self, messages: Sequence[UUID]) -> Window:
        """Number the messages of a new window as the broker will; they must be written before the next is opened."""
        window = Window(self._next_tag, messages)
        self._next_tag += len(messages)
        self._windows.append(window)
        return window

    def drop(self, window: Window) -> None:
        """Wait for this window no longer; late answers for it are ignored."""
        if window in self._windows:
            self._windows.remove(window)

    def confirm(self, tag: int, multiple: bool, accepted: bool) -> None:
        """Take one ack or nack of the broker."""
        for window in self._windows[:]:
            window.answer(tag, multiple=multiple, accepted=accepted)
            if tag <= window.last_tag:
                break

    def content(self, returned: bool, content: Content) -> None:
        """Take a returned message; the broker sends the return before the ack for it."""
        returned_id = content.message()[0].message_id
        reason = f"no queue takes it: the broker returned it with {content.why_returned()}"
        for window in self._windows:
            for pending in window.pending.values():
                if str(pending) == returned_id:
                    window.published.refused[pending] = reason
                    return

    def fail(self, reason: str) -> None:
        """The channel is gone."""
        for window in self._windows:
            window.fail(reason)
        self._windows = []


@dataclass(frozen=True, slots=True)
class Rules:
    """What a service may publish: exchanges it has declared, and types that some queue must take."""

    app_id: str
    exchanges: frozenset[str]
    mandatory_types: frozenset[str]


class Publisher:
    """Publishes windows on one channel of one connection; of no more use when either is gone."""

    def __init__(self, link: Link, rules: Rules) -> None:
        self._link = link
        self._rules = rules
        self._confirms = Confirms()
        self.sink = ChannelSink(self._confirms.content, self._confirms.confirm)
        self.channel = 0

    def fail(self, reason: str) -> None:
        """End every window in flight with BrokerAway."""
        self._confirms.fail(reason)

    async def publish(self, messages: Sequence[Outgoing]) -> Published:
        """Send a window and wait for the answers, see Broker.publish."""
        self._refuse_to_wait_in_vain()
        sent, frames, refused = self._marshal(messages)
        if not sent:
            return Published(refused=refused)
        window = self._confirms.open(sent)
        window.published.refused.update(refused)
        written = time.monotonic()
        self._link.send(frames)
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT):
                await window.settled
        except TimeoutError:
            if self._link.heard < written:
                self._link.abort()  # half open, as after a lost network: a new connection is the quickest answer
            raise BrokerAway(
                f"RabbitMQ did not confirm {len(window.pending)} of {len(sent)} messages within {CONFIRM_TIMEOUT:g} s",
                window.published,
            ) from None
        finally:
            self._confirms.drop(window)
        return window.published

    def _refuse_to_wait_in_vain(self) -> None:
        if self.sink.closed or self._link.lost.done():
            raise BrokerAway("RabbitMQ has just closed the publishing channel")
        if self._link.blocked:
            raise BrokerAway("RabbitMQ takes no messages for now: it has a memory or disk alarm")
        if self._link.unsent > _LARGEST_BACKLOG:
            raise BrokerAway(f"RabbitMQ does not read: {self._link.unsent} bytes wait to be sent")

    def _marshal(self, messages: Sequence[Outgoing]) -> tuple[list[UUID], bytes, dict[UUID, str]]:
        """Ids and frames of what can be sent, and why the others cannot: each of them would close the channel, and
        with it lose the neighbours' confirms, again and again."""
        sent: list[UUID] = []
        frames: list[bytes] = []
        refused: dict[UUID, str] = {}
        timestamp = int(time.time())
        for message in messages:
            if message.exchange and message.exchange not in self._rules.exchanges:
                refused[message.message_id] = f"its exchange {message.exchange!r} is not declared by this service"
                continue
            try:
                frame = publish_frames(
                    message,
                    channel=self.channel,
                    mandatory=not message.exchange or message.type in self._rules.mandatory_types,
                    app_id=self._rules.app_id,
                    timestamp=timestamp,
                    frame_max=self._link.frame_max,
                )
            except Unsendable as problem:
                refused[message.message_id] = str(problem)
                continue
            sent.append(message.message_id)
            frames.append(frame)
        return sent, b"".join(frames), refused
