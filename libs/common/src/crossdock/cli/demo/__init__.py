"""`crossdock demo`: the whole hub, from nothing to orders shipped."""

import os
import time
from pathlib import Path

from rich.console import Console

from crossdock.cli.client import CannotCall, Client, saved
from crossdock.cli.demo.sandbox import Sandbox
from crossdock.cli.demo.story import Story
from crossdock.cli.stack import make_stack
from crossdock.local import files, supervisor


def run_demo(run_dir: Path, console: Console) -> bool:
    """Start what does not run yet, play the story, and say how to look further. True when every check held.

    With DEMO_EXIT=1 everything is stopped at the end. Raises what `up` raises, and CannotCall.
    """
    began = time.monotonic()
    _start(run_dir, console)
    at = saved(run_dir)
    passed = Story(Client(run_dir), Sandbox(at["sandbox_url"], at["url"]), console).play()
    console.print(f"\nDone in {time.monotonic() - began:.0f} s.")
    if os.environ.get("DEMO_EXIT") == "1":
        supervisor.stop(run_dir)
        console.print("Everything is stopped.")
    else:
        _farewell(console, at["url"])
    return passed


def _start(run_dir: Path, console: Console) -> None:
    phase = supervisor.status(run_dir).phase
    if phase == "up":
        if "sandbox_url" not in saved(run_dir):
            raise CannotCall("Crossdock runs here without the sandbox: stop it with `make down`, then `make demo`.")
        console.print("Crossdock runs already; selling through it.")
        return
    console.print("Starting Postgres, RabbitMQ, five services and the sandbox …")
    stack = make_stack(run_dir, lambda sentence: console.print(sentence, markup=False, highlight=False), sandbox=True)
    supervisor.start(stack.stages(), run_dir)
    files.write_json(run_dir / "client.json", stack.client(), private=True)


def _farewell(console: Console, url: str) -> None:
    console.print(
        f"""
Crossdock keeps running at {url}. Look further:
  .venv/bin/crossdock counts                      how many orders stand under each tab
  .venv/bin/crossdock order list --tab on_hold    what is stuck, and why
  .venv/bin/crossdock order show '#1001'          one order's timeline
  .venv/bin/crossdock stock set CAP-RED 10        and the order that waits for it ships
  .venv/bin/crossdock status                      processes, services, parked messages
Stop it with: make down""",
        markup=False,
        highlight=False,
    )
