"""Windows of messages and their confirms: a message counts as published only when the broker has said so."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from crossdock.messaging.broker.wire import Content

LARGEST_WINDOW = 200


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
        if multiple:
            tags: Iterator[int] = iter([each for each in self.pending if each <= tag])
        else:
            tags = iter((tag,) if tag in self.pending else ())
        for each in tags:
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
