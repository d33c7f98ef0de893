"""The supervisor keeps processes running, ends them all, and is never confused by what an earlier one left."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from crossdock.local import supervisor
from crossdock.local.processes import Process, StartFailed, free_ports

ENV = dict(os.environ)
SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


def web_server(name: str = "web") -> Process:
    (port,) = free_ports(1)
    argv = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    return Process(name, argv, ENV, ready=f"http://127.0.0.1:{port}/", ready_within=15)


def eventually(condition: Callable[[], bool], within: float = 10.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def pid_of(run_dir: Path, name: str) -> int | None:
    return next((each.pid for each in supervisor.status(run_dir).processes if each.name == name), None)


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    supervisor.stop(tmp_path)


def test_start_returns_when_all_are_ready_and_stop_ends_them(run_dir: Path) -> None:
    supervisor.start([[web_server()], [Process("sleeper", SLEEPER, ENV)]], run_dir)
    pids = [pid_of(run_dir, "web"), pid_of(run_dir, "sleeper")]
    assert all(pid and psutil.pid_exists(pid) for pid in pids)
    assert supervisor.stop(run_dir) is True
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert supervisor.status(run_dir).phase == "down"
    assert supervisor.stop(run_dir) is False


def test_a_step_finishes_before_the_next_stage_starts(run_dir: Path) -> None:
    made = run_dir / "made-by-step"
    write = f"import time, pathlib; time.sleep(0.3); pathlib.Path({str(made)!r}).touch()"
    look = f"import time, pathlib, sys; pathlib.Path({str(made)!r}).exists() or sys.exit(1); time.sleep(600)"
    step = Process("step", (sys.executable, "-c", write), ENV, once=True)
    supervisor.start([[step], [Process("service", (sys.executable, "-c", look), ENV)]], run_dir)
    time.sleep(0.3)
    assert [each.state for each in supervisor.status(run_dir).processes] == ["done", "running"]


def test_a_process_that_dies_is_restarted_and_counted(run_dir: Path) -> None:
    supervisor.start([[web_server()]], run_dir)
    before = pid_of(run_dir, "web")
    assert before
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: pid_of(run_dir, "web") not in (None, before))
    (web,) = supervisor.status(run_dir).processes
    assert (web.restarts, web.state) == (1, "running")


def test_a_failing_start_names_the_process_quotes_its_log_and_leaves_nothing(run_dir: Path) -> None:
    failing = Process("broken", (sys.executable, "-c", "import sys; sys.exit('no stock of luck')"), ENV, once=True)
    healthy = web_server()
    with pytest.raises(StartFailed, match=r"(?s)broken ended with exit code 1.*no stock of luck"):
        supervisor.start([[healthy], [failing]], run_dir)
    state = supervisor.status(run_dir)
    assert state.phase == "failed"
    assert not [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == list(healthy.argv)]


def test_a_second_start_says_that_it_is_already_running(run_dir: Path) -> None:
    supervisor.start([[Process("sleeper", SLEEPER, ENV)]], run_dir)
    with pytest.raises(supervisor.AlreadyRunning, match="already running"):
        supervisor.start([[Process("sleeper", SLEEPER, ENV)]], run_dir)


def test_a_pid_file_that_names_another_program_is_stale(run_dir: Path) -> None:
    innocent = psutil.Popen(SLEEPER)
    try:
        (run_dir / "supervisor.pid").write_text(str(innocent.pid))
        assert supervisor.status(run_dir).phase == "down"
        assert supervisor.stop(run_dir) is False
        supervisor.start([[Process("sleeper", SLEEPER, ENV)]], run_dir)
        assert supervisor.status(run_dir).pid != innocent.pid
        assert supervisor.stop(run_dir) is True
        assert innocent.is_running()
    finally:
        innocent.kill()
        innocent.wait()


def test_secrets_of_a_process_are_in_no_file_that_others_read(run_dir: Path) -> None:
    supervisor.start([[Process("sleeper", SLEEPER, {**ENV, "PASSWORD": "very-secret-value"})]], run_dir)
    readable = [path for path in run_dir.rglob("*") if path.is_file()]
    assert readable
    assert not [path for path in readable if "very-secret-value" in path.read_text()]


def test_processes_end_when_the_supervisor_is_killed(run_dir: Path) -> None:
    supervisor.start([[web_server(), Process("sleeper", SLEEPER, ENV)]], run_dir)
    keeper, pids = supervisor.status(run_dir).pid, [pid_of(run_dir, "web"), pid_of(run_dir, "sleeper")]
    assert keeper
    os.kill(keeper, signal.SIGKILL)
    assert eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids if pid))
    assert supervisor.status(run_dir).phase == "down"
