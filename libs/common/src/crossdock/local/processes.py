"""Start, watch and end child processes; no child outlives its keeper, not even one ended by SIGKILL."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crossdock.local.ready import answers

_FOREIGN_SETTINGS = ("CROSSDOCK_", "RABBITMQ_", "PG", "ERL_")
_LOG_LIMIT_BYTES = 10_000_000


class StartFailed(Exception):
    """A process did not become ready; the message names it and quotes the end of its log."""


@dataclass(frozen=True, slots=True)
class Process:
    """One program to run: `env` is its whole environment, times are seconds.

    `ready` is a URL for `crossdock.local.ready.answers`; without one the process is ready once started. A process
    with `once` is a step: it must exit with 0 before anything after it starts. `when_orphaned` is a shell command
    that ends the process after its keeper was killed; `{pgid}` stands for its process group.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: str | None = None
    ready_within: float = 60.0
    once: bool = False
    stop_signal: int = signal.SIGTERM
    stop_within: float = 10.0
    when_orphaned: str = "kill -KILL -{pgid}"
    url: str | None = None


class Child:
    """A running `Process`: a session of its own, output appended to `<log_dir>/<name>.log`."""

    def __init__(self, spec: Process, log_dir: Path) -> None:
        self.spec = spec
        self.log = log_dir / f"{spec.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._log_began = 0

    @property
    def pid(self) -> int | None:
        """The process id, or None before the first start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the program; raises StartFailed if it cannot be executed at all."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self._log_began = output.tell()
            try:
                self._process = subprocess.Popen(
                    self.spec.argv,
                    env=dict(self.spec.env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise StartFailed(f"{self.spec.name} cannot be started: {error}.") from error
        ending = self.spec.when_orphaned.format(pgid=self._process.pid)
        # The pipe's other end closes when this process dies, however it dies; PR_SET_PDEATHSIG would not reach
        # grandchildren, and RabbitMQ's launcher forks.
        self._watchdog = subprocess.Popen(
            ["sh", "-c", f"read _; {ending}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def exit_code(self) -> int | None:
        """The exit code, or None while it runs (negative: ended by that signal)."""
        return self._process.poll() if self._process else None

    def is_ready(self) -> bool:
        """Whether what waits for this process may go on."""
        code = self.exit_code()
        if self.spec.once:
            return code == 0
        return code is None and (self.spec.ready is None or answers(self.spec.ready))

    def signal_stop(self) -> None:
        """Ask it to stop, in the way it likes to be asked."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(self.spec.stop_signal)

    def finish(self, within: float) -> None:
        """Wait up to `within` seconds for it to end, then end its whole process group; do so once per start."""
        if self._process is None or self._watchdog is None:
            return
        try:
            self._process.wait(max(within, 0.0))
        except subprocess.TimeoutExpired:
            self._let_watchdog_end_it()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._watchdog.kill()
        self._watchdog.wait()
        if self._watchdog.stdin:
            self._watchdog.stdin.close()
        self._watchdog = None

    def _let_watchdog_end_it(self) -> None:
        """A container outlives its client, so that killing the process group would not do."""
        if self._watchdog and self._watchdog.stdin:
            self._watchdog.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._watchdog.wait(10)

    def last_log_lines(self, count: int = 15) -> str:
        """The end of its log since its last start, at most `count` lines."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(self._log_began, self.log.stat().st_size - 16_384))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])


def wait_until_ready(children: Sequence[Child], *, give_up: Callable[[], bool] = lambda: False) -> None:
    """Return when every child is ready; raise StartFailed for the first that ends or is late, or on `give_up`."""
    began = time.monotonic()
    waiting = list(children)
    while waiting:
        if give_up():
            raise StartFailed(f"The start was broken off while waiting for {waiting[0].spec.name}.")
        for child in list(waiting):
            if child.is_ready():
                waiting.remove(child)
                continue
            code = child.exit_code()
            late = time.monotonic() - began > child.spec.ready_within
            if code is not None or late:
                how = (
                    f"was not ready within {child.spec.ready_within:.0f} s" if late else f"ended with exit code {code}"
                )
                raise StartFailed(f"{child.spec.name} {how}. The end of {child.log}:\n{child.last_log_lines()}")
        time.sleep(0.05)


def stop_together(children: Iterable[Child]) -> None:
    """Stop the children side by side, each within its own `stop_within`."""
    children = list(children)
    for child in children:
        child.signal_stop()
    began = time.monotonic()
    for child in children:
        child.finish(began + child.spec.stop_within - time.monotonic())


def free_ports(count: int) -> list[int]:
    """Return `count` TCP ports that nothing listens on at this moment on 127.0.0.1."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def clean_environment(additions: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process' environment without other programs' settings for Crossdock, Postgres, Erlang and RabbitMQ."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_SETTINGS)}
    return kept | dict(additions or {})
