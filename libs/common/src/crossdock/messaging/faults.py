"""Named points at which a test makes the process die, raise or stall; set by CROSSDOCK_FAULTS, and free when it is not.

CROSSDOCK_FAULTS="after_commit=exit@0.01,before_ack=stall:2" lets the process end hard after one commit in a hundred and
wait two seconds before every ack. Points of a batch: before_claim, after_handler, after_commit, before_ack, after_ack;
of the relay: before_publish, after_publish; of a write to the outside: before_sending, after_sending, after_send,
before_record.
"""

import asyncio
import os
import random
import re
from dataclasses import dataclass

POINTS = ("before_claim", "after_handler", "after_commit", "before_ack", "after_ack", "before_publish", "after_publish",
          "before_sending", "after_sending", "after_send", "before_record")  # fmt: skip
EXIT_CODE = 70
FORM = re.compile(r"(?P<point>\w+)=(?P<action>exit|raise|stall)(:(?P<seconds>[\d.]+))?(@(?P<chance>[\d.]+))?")


class FaultInjected(Exception):
    """Raised at a point whose action is `raise`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a point, with which chance; `seconds` is how long a stall lasts."""

    action: str
    seconds: float = 1.0
    chance: float = 1.0


def parse(text: str) -> dict[str, Fault]:
    """Read the form above. Raises ValueError for an unknown point or action, so that no test tests nothing."""
    faults = {}
    for part in filter(None, text.split(",")):
        found = FORM.fullmatch(part.strip())
        if found is None or found["point"] not in POINTS:
            raise ValueError(f"CROSSDOCK_FAULTS: {part!r} is not point=exit|raise|stall[:seconds][@chance]")
        faults[found["point"]] = Fault(found["action"], float(found["seconds"] or 1.0), float(found["chance"] or 1.0))
    return faults


armed = parse(os.environ.get("CROSSDOCK_FAULTS", ""))


async def point(name: str) -> None:
    """Let the fault that is set for this point happen. Raises FaultInjected; may not return at all."""
    fault = armed.get(name)
    if fault is None or random.random() >= fault.chance:  # noqa: S311 - chance in a test
        return
    if fault.action == "exit":
        os._exit(EXIT_CODE)
    if fault.action == "raise":
        raise FaultInjected(name)
    await asyncio.sleep(fault.seconds)
