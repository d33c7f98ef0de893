"""What every command shares: where the installation is, how a reply is shown, and how a failure is told."""

import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import asyncpg
import typer
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from crossdock.cli.client import CannotCall, Client
from crossdock.cli.setup import SettingMissing
from crossdock.local import supervisor
from crossdock.local.packages import PackagesUnavailable
from crossdock.local.processes import StartFailed
from crossdock.messaging.failures import explain
from crossdock.messaging.topology import ManagementAway

_ADDRESS = re.compile(r"Connect call failed \('([^']+)', (\d+)")
"""How asyncio names the address of a connection that was refused."""

console = Console()
problems = Console(stderr=True, soft_wrap=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Known = (CannotCall, SettingMissing, StartFailed, PackagesUnavailable, ManagementAway, supervisor.AlreadyRunning)


def run_dir() -> Path:
    """Where this installation keeps its data: `.run` in the current folder, unless CROSSDOCK_RUN_DIR says otherwise."""
    return Path(os.environ.get("CROSSDOCK_RUN_DIR", ".run")).absolute()


@contextmanager
def one_sentence() -> Iterator[None]:
    """Tell a known failure as one sentence, and exit with 1."""
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError) as problem:
        # Never the statement: it may hold a password.
        why = explain(_first_cause(problem))
        _tell(f"Postgres did not do what it was asked ({why}): check its URL and the rights of its role.")
        raise typer.Exit(1) from None
    except OSError as problem:
        _tell(sentence_of(problem))
        raise typer.Exit(1) from None
    except Known as problem:
        _tell(str(problem))
        raise typer.Exit(1) from None


def _first_cause(problem: BaseException) -> BaseException:
    """What the driver said, behind what SQLAlchemy wraps it in; while it connects, it wraps nothing."""
    return problem if problem.__cause__ is None else _first_cause(problem.__cause__)


def sentence_of(problem: OSError) -> str:
    """What the operating system refused: a file by its path, or a connection by its address."""
    if problem.filename is not None:
        next_steps = {FileNotFoundError: "check the path", PermissionError: "ask for the right to use it"}
        next_step = next_steps.get(type(problem), "put that right")
        return f"{problem.filename}: {problem.strerror or type(problem).__name__}. Then try again: {next_step}."
    if addresses := dict.fromkeys(_ADDRESS.findall(str(problem))):
        where = " or ".join(f"{host}:{port}" for host, port in addresses)
        return f"Nobody takes connections at {where}: check that the server runs, and the URL that names it."
    if isinstance(problem, socket.gaierror):
        return "The name of a server is not known here: check the host in its URL."
    if isinstance(problem, ConnectionError | TimeoutError):
        return (
            f"A connection broke or was not made ({type(problem).__name__}): check that the server runs, and its URL."
        )
    return f"The operating system refused: {problem.strerror or type(problem).__name__}."


def _tell(sentence: str) -> None:
    problems.print(sentence, style="red", markup=False, highlight=False)


def show(value: Any, as_json: bool, table: Any) -> None:
    """Print a reply as JSON or as its table."""
    if as_json:
        sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")
    else:
        table(console, value)


def say(sentence: str) -> None:
    """Tell what is going on."""
    console.print(sentence, markup=False, highlight=False)


def client() -> Client:
    """A client of the gateway of this installation. Raises CannotCall when there is none."""
    return Client(run_dir())


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def named_channel(name: str) -> str:
    """The id of a channel by its name or id. Raises CannotCall when there is none, or more than one."""
    found = [one["id"] for one in client().get("/v1/channels") if name in (one["id"], one["name"])]
    if len(found) == 1:
        return str(found[0])
    many = f"{len(found)} channels are" if found else "No channel is"
    raise CannotCall(f"{many} called {name}: see `crossdock channel list`, and name one by its id.")
