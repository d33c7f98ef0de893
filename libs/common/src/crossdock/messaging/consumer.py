"""How a service says what it reacts to: one form of handler, a batch of events and a transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from crossdock.contracts.base import Event
from crossdock.messaging.topology import Queue, queue_name
from crossdock.messaging.transaction import Tx

HandlerFunction = Callable[[Sequence[Any], Tx], Awaitable[None]]
F = TypeVar("F", bound=HandlerFunction)


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that reacts to some event types, fed by a queue of its own. Its batches begin at least `pace` seconds
    apart, below one, while they are not full: for what is cheaper by the dozen, and not waited for."""

    name: str
    events: tuple[type[Event], ...]
    function: HandlerFunction
    pace: float = 0.0

    def accepted(self) -> dict[str, type[Event]]:
        """The events it reads, by type."""
        return {event.type: event for event in self.events}

    def queue(self, service: str) -> Queue:
        """Its queue, bound to the types it reads."""
        return Queue(queue_name(service, self.name), tuple((event.exchange, event.type) for event in self.events))


class Consumer:
    """The handlers of one service, in the order in which they are written."""

    def __init__(self) -> None:
        self.handlers: list[Handler] = []

    def on(self, *events: type[Event], pace: float = 0.0) -> Callable[[F], F]:
        """Register `async def handler(events: Sequence[E], tx: Tx) -> None` for these event types. `pace` is for
        a handler that no other service waits for, see Handler."""

        def register(function: F) -> F:
            name = function.__name__
            if any(handler.name == name for handler in self.handlers):
                raise ValueError(f"two handlers are called {name}: each has one queue")
            self.handlers.append(Handler(name, events, function, pace))
            return function

        return register

    def handler(self, name: str) -> Handler:
        """A handler by its name. Raises LookupError."""
        for handler in self.handlers:
            if handler.name == name:
                return handler
        raise LookupError(f"there is no handler {name}")
