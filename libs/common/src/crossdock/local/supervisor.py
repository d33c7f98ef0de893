"""A detached supervisor: starts processes stage by stage, restarts those that die, and ends them all in reverse.

It holds a lock on its pid file as long as it lives, so a stale pid file, or a pid that now belongs to another
program, is never mistaken for it. The parent passes the processes, with their secrets, through a pipe: nothing secret
is written to the state file.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from crossdock.local import files
from crossdock.local.processes import Child, Process, StartFailed, stop_together, wait_until_ready

_STOP_WITHIN = 25.0
_FIRST_BACKOFF, _LONGEST_BACKOFF = 1.0, 30.0
_STABLE_AFTER = 60.0
_POLL_SECONDS = 0.2


class AlreadyRunning(Exception):
    """A supervisor already runs for this folder."""


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One supervised process: `state` is starting, running, restarting, done (a step) or stopped."""

    name: str
    state: str
    pid: int | None
    restarts: int
    url: str | None
    log: str


@dataclass(frozen=True, slots=True)
class Status:
    """What the supervisor of a folder does: `phase` is down, starting, up, stopping or failed; `since` is UTC."""

    phase: str
    since: str | None = None
    pid: int | None = None
    failure: str | None = None
    processes: tuple[ProcessStatus, ...] = ()


def start(stages: Sequence[Sequence[Process]], run_dir: Path) -> None:
    """Start the processes under a detached supervisor and return when all are ready.

    The members of a stage start together, in their order; the next stage follows when they are ready. Raises
    AlreadyRunning, or StartFailed with the end of the log of the process that failed; then nothing is left running.
    """
    run_dir = run_dir.resolve()
    (run_dir / "logs").mkdir(parents=True, exist_ok=True)
    if pid := _holder(run_dir):
        raise AlreadyRunning(f"Crossdock is already running here (process {pid}).")
    log = run_dir / "logs" / "supervisor.log"
    with log.open("ab") as output:
        launched = subprocess.run(
            [sys.executable, "-m", "crossdock.local.supervisor", str(run_dir)],
            input=json.dumps([[asdict(process) for process in stage] for stage in stages]).encode(),
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
            check=False,
        )
    if launched.returncode:
        raise StartFailed(f"The supervisor cannot start; see {log}.")
    while (now := status(run_dir)).phase != "up":
        if now.pid is None:
            raise StartFailed(now.failure or f"The supervisor ended before anything was ready; see {log}.")
        time.sleep(0.1)


def stop(run_dir: Path) -> bool:
    """End the supervisor of `run_dir` and all it runs, within 25 s; return False if none was running."""
    pid = _holder(run_dir)
    if pid is None:
        return False
    deadline = time.monotonic() + _STOP_WITHIN
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while _holder(run_dir) == pid:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)  # its processes follow: see Process.when_orphaned
            time.sleep(0.1)
    return True


def status(run_dir: Path) -> Status:
    """Return what runs for `run_dir`; phase `down`, or `failed` with the reason, if no supervisor lives."""
    pid = _holder(run_dir)
    state = files.read_json(run_dir / "state.json")
    processes = tuple(ProcessStatus(**process) for process in state.get("processes", ()))
    if pid is None:
        failure = state.get("failure")
        return Status("failed" if failure else "down", failure=failure)
    if state.get("pid") != pid:
        return Status("starting", pid=pid)
    return Status(state["phase"], state["since"], pid, state["failure"], processes)


def _holder(run_dir: Path) -> int | None:
    """Return the pid of the supervisor that holds the lock of `run_dir`, or None."""
    try:
        with (run_dir / "supervisor.pid").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


class _Kept:
    """A child with the history that its restarts need."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.state = "stopped"
        self.restarts = 0
        self.backoff = _FIRST_BACKOFF
        self.started_at = 0.0
        self.due_at = 0.0

    def start(self) -> None:
        self.child.start()
        self.started_at = time.monotonic()
        self.state = "starting"

    def ready(self) -> None:
        self.state = "running"
        if self.child.spec.once:
            self.state = "done"
            self.child.finish(0.0)

    def check(self) -> bool:
        """Restart it if it has died and its wait is over; return whether anything changed."""
        if self.state == "running" and (code := self.child.exit_code()) is not None:
            if time.monotonic() - self.started_at > _STABLE_AFTER:
                self.backoff = _FIRST_BACKOFF
            self.child.finish(0.0)
            self._restart_later(f"ended with exit code {code}")
            return True
        if self.state == "restarting" and time.monotonic() >= self.due_at:
            self._restart()
            return True
        return False

    def _restart(self) -> None:
        self.restarts += 1
        try:
            self.start()
        except StartFailed as failure:
            self._restart_later(str(failure))
        else:
            self.state = "running"

    def _restart_later(self, reason: str) -> None:
        _log(f"{self.child.spec.name}: {reason}; next start in {self.backoff:.0f} s")
        self.state = "restarting"
        self.due_at = time.monotonic() + self.backoff
        self.backoff = min(2 * self.backoff, _LONGEST_BACKOFF)

    def status(self) -> ProcessStatus:
        spec = self.child.spec
        pid = self.child.pid if self.state in ("starting", "running") else None
        return ProcessStatus(spec.name, self.state, pid, self.restarts, spec.url, str(self.child.log))


class _Supervisor:
    def __init__(self, stages: Sequence[Sequence[Process]], run_dir: Path) -> None:
        self._run_dir = run_dir
        self._stages = [[_Kept(Child(process, run_dir / "logs")) for process in stage] for stage in stages]
        self._phase = "starting"
        self._failure: str | None = None
        self._stop_asked = False
        self._since = datetime.now(UTC).isoformat(timespec="seconds")

    def ask_stop(self, *_: Any) -> None:
        self._stop_asked = True

    def run(self) -> int:
        try:
            self._start_all()
            while not self._stop_asked:
                changes = [kept.check() for stage in self._stages for kept in stage]
                if any(changes):
                    self._write()
                time.sleep(_POLL_SECONDS)
        except StartFailed as failure:
            self._failure = str(failure)
            _log(self._failure)
        self._stop_all()
        return 1 if self._failure else 0

    def _start_all(self) -> None:
        for stage in self._stages:
            if self._stop_asked:
                raise StartFailed("The start was broken off.")
            for kept in stage:
                kept.start()
            self._write()
            wait_until_ready([kept.child for kept in stage], give_up=lambda: self._stop_asked)
            for kept in stage:
                kept.ready()
                _log(f"{kept.child.spec.name} is {kept.state}")
        self._phase = "up"
        self._write()

    def _stop_all(self) -> None:
        self._phase = "failed" if self._failure else "stopping"
        self._write()
        for stage in reversed(self._stages):
            stop_together(kept.child for kept in stage)
            for kept in stage:
                kept.state = "stopped"
        self._write()
        _log("stopped")

    def _write(self) -> None:
        processes = tuple(kept.status() for stage in self._stages for kept in stage)
        state = Status(self._phase, self._since, os.getpid(), self._failure, processes)
        files.write_json(self._run_dir / "state.json", asdict(state))


def _log(sentence: str) -> None:
    print(f"{datetime.now(UTC).isoformat(timespec='seconds')} {sentence}", flush=True)


def _take_lock(run_dir: Path) -> TextIOWrapper | None:
    file = (run_dir / "supervisor.pid").open("a")
    for _ in range(20):  # whoever asks for the status holds the lock for a moment
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return file
    file.close()
    return None


def main() -> int:
    """Detach a supervisor for the folder in the first argument; the stages come on stdin, as `start` writes them."""
    run_dir = Path(sys.argv[1])
    stages = [
        [Process(**(fields | {"argv": tuple(fields["argv"])})) for fields in stage] for stage in json.load(sys.stdin)
    ]
    lock = _take_lock(run_dir)
    if lock is None:
        print("Another supervisor holds this folder.", file=sys.stderr)
        return 1
    (run_dir / "state.json").unlink(missing_ok=True)
    lock.truncate(0)
    if detached := os.fork():  # the lock lives on in the child
        lock.write(str(detached))
        lock.flush()
        os._exit(0)
    supervisor = _Supervisor(stages, run_dir)
    signal.signal(signal.SIGTERM, supervisor.ask_stop)
    signal.signal(signal.SIGINT, supervisor.ask_stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    code = supervisor.run()
    lock.truncate(0)
    lock.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
