"""Waiting until something is so, and failing when it does not come."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(found: Callable[[], T | None], seconds: float = 60.0, otherwise: str = "it did not come") -> T:
    """What `found` returns once it is true. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        if value := found():
            return value
        assert time.monotonic() < end, f"{otherwise} within {seconds:g} s"
        time.sleep(0.2)


async def until(condition: Callable[[], Awaitable[T]], seconds: float = 20.0) -> T:
    """What a condition returns once it is true. Fails after `seconds`, even if the condition hangs."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                if value := await condition():
                    return value
                await asyncio.sleep(0.02)
    except TimeoutError as late:
        raise AssertionError(f"it did not come true within {seconds:g} s") from late
