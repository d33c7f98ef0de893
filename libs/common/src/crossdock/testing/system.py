"""The whole product as real processes on private servers, kept alive as an orchestrator would, and broken on purpose.

A keeper restarts whatever process died, so that a test only breaks things and waits; it notes every death.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from crossdock.cli.stack import PACKAGES, SERVICES, Stack
from crossdock.local import files, servers
from crossdock.local.processes import Child, Process, StartFailed, stop_together, wait_until_ready
from crossdock.messaging.topology import Management

SERVERS = ("postgres", "rabbitmq")
KEEPER_SECONDS = 0.05
READY_SECONDS = 90.0

# The broker counts its messages every 5 s; a test that waits for empty queues would wait for the count.
_COUNT_OFTEN = "-rabbit quorum_tick_interval 1000 -rabbit collect_statistics_interval 1000"

# Calls that a killed dispatcher left behind are looked at after call_seconds + 10. Polling would find whatever another
# mechanism lost: it is for promise 7 alone.
TEST_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "order-ingest": {"POLL_SECONDS": "86400"},
    "fulfillment": {"CALL_SECONDS": "4", "LOOK_SECONDS": "0.5"},
}


@dataclass(frozen=True, slots=True)
class Death:
    """A process that ended: its exit code (negative: the signal) and when, in seconds of the monotonic clock."""

    name: str
    code: int
    at: float


class System:
    """Postgres, RabbitMQ, the five services and the sandbox, each a process of its own below `folder`."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.deaths: list[Death] = []
        self.on_death: Callable[[Death], None] = lambda _: None
        self._folder = folder
        self._bytecode = (folder / "tools").resolve().parent / "bytecode"
        self._children: dict[str, Child] = {}
        self._settings: dict[str, dict[str, str]] = {name: dict(TEST_SETTINGS.get(name, {})) for name in SERVICES}
        self._programs: dict[str, tuple[str, ...]] = dict.fromkeys(SERVICES, ())
        self._normal = deepcopy((self._settings, self._programs))
        self._held: set[str] = set()
        self._ended: set[str] = set()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def begin(self) -> None:
        """Start the servers, prepare them, then start everything else. Raises StartFailed."""
        first, *steps, last = self.stack.stages()
        for process in first:
            self._start(_counting_often(process))
        wait_until_ready(list(self._children.values()))
        for step in steps:
            started = [Child(self._configured(process), self._folder / "logs") for process in step]
            for child in started:
                child.start()
            wait_until_ready(started)
            stop_together(started)
        for process in last:
            if process.name != "maintenance":
                self._start(self._configured(process))
        self._keeper.start()
        self.wait_ready()

    def end(self) -> None:
        """Stop everything, the servers last."""
        self._over.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for child in self._children.values():  # nobody needs the data any more, so nobody needs to stop in good order
            _kill_tree(child.pid)
        for child in self._children.values():
            child.finish(0.0)

    def configure(self, name: str, program: tuple[str, ...] | None = None, /, **settings: str | None) -> None:
        """What a service is started with from now on: settings without their prefix, None for the default; `program`
        replaces what Python runs, an empty one brings the service's own back."""
        with self._lock:
            known = self._settings[name]
            for key, value in settings.items():
                known.pop(key, None)
                if value is not None:
                    known[key] = value
            if program is not None:
                self._programs[name] = program

    def call_this_normal(self) -> None:
        """Remember what every service is started with now, for `back_to_normal`."""
        self._normal = deepcopy((self._settings, self._programs))

    def back_to_normal(self) -> None:
        """Undo what a test configured or held down; what ran otherwise is started anew."""
        self.on_death = lambda _: None
        with self._lock:
            settings, programs = deepcopy(self._normal)
            otherwise = [
                name
                for name in SERVICES
                if (settings[name], programs.get(name)) != (self._settings[name], self._programs.get(name))
            ]
            self._settings, self._programs = settings, programs
            self._held.clear()
        self.restart(*otherwise)
        self.wait_ready()

    def configured(self, name: str) -> dict[str, str]:
        """The settings with which a service is started, beside those that every installation needs."""
        return dict(self._settings[name])

    def kill(self, name: str, *, hold: bool = False) -> None:
        """SIGKILL a process, with all that it started; the keeper starts it again, unless it is to be held down."""
        with self._lock:
            if hold:
                self._held.add(name)
            child = self._children[name]
            _kill_tree(child.pid)
        self._wait(lambda: child.exit_code() is not None, f"{name} did not die", 20)

    def release(self, name: str) -> None:
        """Let a process that was held down start again."""
        with self._lock:
            self._held.discard(name)

    def stop(self, name: str, *, hold: bool = False) -> float:
        """SIGTERM a process and wait until it ended; returns how many seconds that took."""
        with self._lock:
            if hold:
                self._held.add(name)
            child = self._children[name]
            child.signal_stop()
        began = time.monotonic()
        self._wait(lambda: child.exit_code() is not None, f"{name} did not end", child.spec.stop_within + 10)
        return time.monotonic() - began

    def restart(self, *names: str) -> None:
        """Stop services in good order and wait until they run with their present settings."""
        with self._lock:
            self._held.update(names)
            for name in names:
                self._children[name].signal_stop()
        for name in names:
            self.stop(name, hold=True)
        for name in names:
            self.release(name)
        if names:
            self.wait_ready(*names)

    @contextmanager
    def one_more(self, name: str) -> Iterator[str]:
        """A second process of a service beside the first, on a port of its own; yields its URL."""
        port = files.ports(self._folder, (f"{name}-2",))[f"{name}-2"]
        url = f"http://127.0.0.1:{port}"
        process = self._configured(next(p for p in self.stack.stages()[-1] if p.name == name))
        env = {**process.env, "CROSSDOCK_PORT": str(port)}
        child = Child(
            replace(process, name=f"{name}-2", env=env, ready=f"{url}/readyz", url=url), self._folder / "logs"
        )
        child.start()
        try:
            wait_until_ready([child])
            yield url
        finally:
            stop_together([child])

    def is_ready(self, name: str) -> bool:
        """Whether a process answers that it can do its work."""
        return self._children[name].is_ready()

    def wait_ready(self, *names: str, seconds: float = READY_SECONDS) -> None:
        """Wait until these processes (all of them, when none is named) are ready. Raises StartFailed."""
        awaited = names or tuple(self._children)
        end = time.monotonic() + seconds
        while waiting := [name for name in awaited if not self.is_ready(name)]:
            if time.monotonic() > end:
                child = self._children[waiting[0]]
                raise StartFailed(f"{waiting[0]} is not ready after {seconds:.0f} s:\n{child.last_log_lines(40)}")
            time.sleep(0.1)

    def log(self, name: str) -> str:
        """Everything that a process wrote so far."""
        return self._children[name].log.read_text(errors="replace")

    def pid(self, name: str) -> int:
        """The process id of a running process."""
        return self._children[name].pid or 0

    @property
    def admin_url(self) -> str:
        """The database as superuser: for looking at outcomes, and for breaking things."""
        base, _, _ = self.stack.servers.postgres_admin_url.rpartition("/")
        return f"{base}/{self.stack.database}"

    @property
    def management(self) -> Management:
        """The broker's management API."""
        return Management(self.management_url)

    @property
    def management_url(self) -> str:
        """Its address, with credentials."""
        broker = self.stack.servers.broker
        scheme, _, rest = broker.management_url.partition("://")
        return f"{scheme}://{broker.user}:{broker.password}@{rest}"

    def _configured(self, process: Process) -> Process:
        own = self._settings.get(process.name, {})
        env = {**process.env, **{f"CROSSDOCK_{key}": value for key, value in own.items()}}
        # A process that is killed every few seconds must not compile its imports anew each time.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        env["PYTHONPYCACHEPREFIX"] = str(self._bytecode)
        program = self._programs.get(process.name)
        argv = (process.argv[0], *program, PACKAGES[process.name]) if program else process.argv
        return replace(process, env=env, argv=argv)

    def _start(self, process: Process) -> None:
        child = self._children[process.name] = Child(process, self._folder / "logs")
        self._ended.discard(process.name)
        child.start()

    def _keep(self) -> None:
        while not self._over.wait(KEEPER_SECONDS):
            for name in list(self._children):
                with self._lock:
                    self._look_after(name)

    def _look_after(self, name: str) -> None:
        child = self._children[name]
        code = child.exit_code()
        if code is None:
            return
        if name not in self._ended:
            self._ended.add(name)
            child.finish(0.0)
            death = Death(name, code, time.monotonic())
            self.deaths.append(death)
            self.on_death(death)
        if name not in self._held:
            fresh = next((p for stage in self.stack.stages() for p in stage if p.name == name), child.spec)
            with suppress(StartFailed):
                self._start(_counting_often(fresh) if name in SERVERS else self._configured(fresh))

    def _wait(self, condition: Callable[[], bool], otherwise: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(otherwise)
            time.sleep(0.02)


def prepare(folder: Path, tools: Path, say: Callable[[str], None]) -> System:
    """A system on private, durable servers with all its data below `folder`; nothing runs yet. `tools` is where
    unpacked servers are kept. Raises StartFailed or PackagesUnavailable."""
    tools.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tools").symlink_to(tools)
    chosen = servers.choose_servers(folder, say, {"CROSSDOCK_SERVERS": "private"})
    ports = files.ports(folder, (*SERVICES, "sandbox"))
    return System(Stack(folder, chosen, ports, sandbox=True), folder)


def _counting_often(process: Process) -> Process:
    if process.name != "rabbitmq":
        return process
    more = process.env.get("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "")
    return replace(process, env={**process.env, "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{more} {_COUNT_OFTEN}"})


def _kill_tree(pid: int | None) -> None:
    if pid is None:
        return
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
