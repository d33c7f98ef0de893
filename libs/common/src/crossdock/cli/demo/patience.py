"""Waiting for what the hub does in its own time."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
PAUSE_SECONDS = 0.4


def patiently(wrong: Callable[[], Sequence[T]], seconds: float) -> Sequence[T]:
    """What is still wrong when nothing is any more, or time is up."""
    end = time.monotonic() + seconds
    while (found := wrong()) and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
    return found
