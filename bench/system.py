"""Private, durable servers and the product's processes for one benchmark, in a temporary folder; none outlives it."""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import httpx
import psutil
from sqlalchemy import make_url

from crossdock.cli.setup import topology_of_installed
from crossdock.cli.stack import SERVICES, Stack
from crossdock.local import files, servers
from crossdock.local.processes import Child, Process, stop_together, wait_until_ready
from crossdock.messaging.topology import QUEUE_ARGUMENTS

ROOT = Path(__file__).resolve().parent.parent
POSTGRES = ("-c", "track_commit_timestamp=on", "-c", "shared_buffers=1GB")
"""Beyond a private server's settings: what tells when an order was committed, and buffers as in the production overlay
(deploy/k8s/overlays/operators), for every contestant."""


class Wrong(Exception):
    """A contestant did not do its work: its figures mean nothing."""


class System:
    """Servers that run, and processes that a benchmark starts beside them."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self._folder = folder
        self._children: list[Child] = []
        self._servers: dict[str, Child] = {}

    def begin(self) -> None:
        """Start the servers, then make roles, schemas and topology."""
        first, *steps, _ = self.stack.stages()
        for process in first:
            extra = POSTGRES if process.name == "postgres" else ()
            self._servers[process.name] = self._start(replace(process, argv=(*process.argv, *extra)))
        wait_until_ready(list(self._servers.values()))
        for step in steps:
            started = [self._start(process) for process in step]
            wait_until_ready(started)
            self.stop(*started)

    def end(self) -> None:
        """Stop whatever runs, the servers last."""
        stop_together(child for child in self._children if child not in self._servers.values())
        stop_together(self._servers.values())

    def service(
        self, name: str, *, argv: Sequence[str] = (), env: Mapping[str, str] | None = None, **settings: str
    ) -> Child:
        """Start a service as `crossdock up` would and wait until it is ready; `argv` replaces what Python runs, `env`
        goes with it."""
        process = next(p for p in self.stack.stages()[-1] if p.name == name)
        env = (
            dict(process.env) | dict(env or {}) | {f"CROSSDOCK_{key.upper()}": value for key, value in settings.items()}
        )
        if argv:
            process = replace(process, argv=(process.argv[0], *argv))
        if port := settings.get("port"):
            url = f"http://127.0.0.1:{port}"
            process = replace(process, name=f"{name}-{port}", ready=f"{url}/readyz", url=url)
        return self.run(replace(process, env=env))

    def run(self, process: Process) -> Child:
        """Start any process and wait until it is ready."""
        child = self._start(process)
        wait_until_ready([child])
        return child

    def stop(self, *children: Child) -> None:
        """Stop processes in good order."""
        stop_together(children)
        for child in children:
            self._children.remove(child)

    def usage(self, **others: Child) -> "Usage":
        """The CPU used so far by Postgres, by RabbitMQ, by other processes, and by the whole machine."""
        watched = {"postgres": self._servers["postgres"], "rabbitmq": self._servers["rabbitmq"]} | others
        machine = psutil.cpu_times()
        return Usage(
            cpu={name: _cpu_seconds(psutil.Process(child.pid)) for name, child in watched.items()},
            ours=_cpu_seconds(psutil.Process()),
            idle=machine.idle + machine.iowait,
            at=time.monotonic(),
        )

    def broker_version(self) -> str:
        """RabbitMQ's version, from its management API."""
        broker = self.stack.servers.broker
        auth = (broker.user, broker.password)
        reply = httpx.get(f"{broker.management_url}/api/overview", auth=auth, trust_env=False, timeout=10)
        return str(reply.raise_for_status().json()["rabbitmq_version"])

    def database_url(self, driver: str = "postgresql") -> str:
        """The database as superuser, for preparing, checking and for baselines."""
        url = make_url(self.stack.servers.postgres_admin_url).set(drivername=driver, database=self.stack.database)
        return url.render_as_string(hide_password=False)

    @asynccontextmanager
    async def sql(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection as superuser."""
        connection = await asyncpg.connect(self.database_url())
        try:
            yield connection
        finally:
            await connection.close()

    async def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """How many messages wait in each of these queues."""
        async with self._channel() as channel:
            found = {name: await channel.declare_queue(name, passive=True) for name in queues}
        return {name: queue.declaration_result.message_count or 0 for name, queue in found.items()}

    async def purge(self) -> None:
        """Empty every queue of the product."""
        async with self._channel() as channel:
            for queue in topology_of_installed().queues:
                await (await channel.declare_queue(queue.name, passive=True)).purge()

    async def declare(self, queue: str) -> None:
        """Make a quorum queue as the product makes its own."""
        async with self._channel() as channel:
            await channel.declare_queue(queue, durable=True, arguments=dict(QUEUE_ARGUMENTS))

    def subscribers(self, event_type: str) -> list[str]:
        """The queues that take an event of this type."""
        return [q.name for q in topology_of_installed().queues if any(key == event_type for _, key in q.bindings)]

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        connection = await aio_pika.connect(self.stack.servers.broker.amqp_url)
        async with connection, connection.channel() as channel:
            yield channel

    def _start(self, process: Process) -> Child:
        child = Child(process, self._folder / "logs")
        child.start()
        self._children.append(child)
        return child


@contextmanager
def running_system(say: Callable[[str], None]) -> Iterator[System]:
    """Start Postgres (fsync on) and RabbitMQ, prepare them as production does, and leave nothing behind."""
    tools = ROOT / ".run/tools"
    tools.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="crossdock-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "tools").symlink_to(tools)  # unpacked packages are shared with `make up`
        chosen = servers.choose_servers(folder, say, {"CROSSDOCK_SERVERS": "private"})
        system = System(Stack(folder, chosen, files.ports(folder, (*SERVICES, "sandbox")), sandbox=False), folder)
        try:
            system.begin()
            yield system
        finally:
            system.end()


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds up to a moment: of the processes that matter, of the benchmark with all it started, and idle ones."""

    cpu: Mapping[str, float]
    ours: float
    idle: float
    at: float

    def per_message(self, later: "Usage", messages: float) -> dict[str, float]:
        """CPU microseconds for each message, by process."""
        return {name: round(1e6 * (later.cpu[name] - self.cpu[name]) / messages, 1) for name in self.cpu}

    def others(self, later: "Usage") -> float:
        """The share of the machine that programs took which are none of the benchmark's, 0 to 1."""
        whole = (later.at - self.at) * (os.cpu_count() or 1)
        return round(max(0.0, 1 - (later.idle - self.idle + later.ours - self.ours) / whole), 3)


def _cpu_seconds(root: psutil.Process) -> float:
    """With all that it started, whatever has ended included: its parent counts it."""
    times = [root.cpu_times()]
    for process in root.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times.append(process.cpu_times())
    return float(sum(t.user + t.system + t.children_user + t.children_system for t in times))


def peak_memory(child: Child) -> float:
    """The most resident memory that a process has had, in MB of 10^6 bytes."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"process {child.pid} has ended")
    return int(found[1]) * 1024 / 1e6


def fsync_milliseconds(folder: Path, times: int = 100) -> float:
    """What one fsync of 8 KB costs on this disk, the mean of `times`."""
    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        for _ in range(times):
            file.write(bytes(8192))
            file.flush()
            os.fsync(file.fileno())
        return 1000 * (time.perf_counter() - began) / times


async def until(condition: Callable[[], Any], what: str, *, seconds: float, every: float = 0.5) -> None:
    """Wait for an asynchronous condition. Raises TimeoutError that says what did not come true."""
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come true within {seconds:.0f} s")
        await asyncio.sleep(every)
