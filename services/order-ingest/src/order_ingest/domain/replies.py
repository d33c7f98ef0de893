"""What comes of our answers to a merchant's requests (see `requests`): a rule of one order, as those in `fold`."""

from dataclasses import replace
from typing import Literal

from order_ingest.domain.fold import Step, publish_state
from order_ingest.domain.order import Order


def take_answered(order: Order, key: str, state: Literal["done", "overtaken", "failed"]) -> Step:
    """The channel was told our answer to a request, or could not be. Whatever that changed of the order's routes is
    read again; that a request was accepted changes nothing of them that matters here."""
    old = order.replies.get(key)
    if old is None or old.state in ("done", state):
        return Step(order)
    step = publish_state(order, order._replace(replies={**order.replies, key: replace(old, state=state)}))
    return step._replace(read_again=state == "overtaken" or (state == "done" and old.answer != "accept"))
