"""Private servers start on free ports, keep their data, and die with whoever runs them."""

import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from crossdock.local import files, postgres, supervisor
from crossdock.local.ready import answers
from crossdock.local.servers import Servers, choose_servers, private_postgres_for_tests

pytestmark = pytest.mark.slow


@pytest.fixture
def run_dir(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Path]:
    tools = pytestconfig.rootpath / ".run" / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    (tmp_path / "tools").symlink_to(tools)
    yield tmp_path
    supervisor.stop(tmp_path)


def private(run_dir: Path, said: list[str]) -> Servers:
    return choose_servers(run_dir, said.append, {"CROSSDOCK_SERVERS": "private"})


async def test_servers_keep_data_from_one_start_to_the_next_and_die_with_a_killed_supervisor(run_dir: Path) -> None:
    said: list[str] = []
    servers = private(run_dir, said)
    assert [sentence.split(":")[0] for sentence in said if "private" in sentence] == ["Postgres", "RabbitMQ"]
    supervisor.start([servers.processes], run_dir)
    connection = await asyncpg.connect(servers.postgres_admin_url)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    await connection.close()
    broker = servers.broker
    async with httpx.AsyncClient(auth=(broker.user, broker.password), trust_env=False) as management:
        (await management.put(f"{broker.management_url}/api/vhosts/kept")).raise_for_status()

    keeper = supervisor.status(run_dir)
    pids = [each.pid for each in keeper.processes if each.pid]
    assert keeper.pid
    assert len(pids) == 3
    os.kill(keeper.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while any(psutil.pid_exists(pid) for pid in pids) or answers(keeper.processes[2].url or ""):
        assert time.monotonic() < end, "servers outlived their supervisor"
        time.sleep(0.05)

    supervisor.start([private(run_dir, said).processes], run_dir)
    connection = await asyncpg.connect(servers.postgres_admin_url)
    assert await connection.fetchval("SELECT number FROM kept") == 7
    await connection.close()
    async with httpx.AsyncClient(auth=(broker.user, broker.password), trust_env=False) as management:
        assert (await management.get(f"{broker.management_url}/api/vhosts/kept")).status_code == 200
    began = time.monotonic()
    supervisor.stop(run_dir)
    assert time.monotonic() - began < 20


def test_urls_in_the_environment_come_first_and_start_nothing(run_dir: Path) -> None:
    said: list[str] = []
    given = {
        "CROSSDOCK_POSTGRES_ADMIN_URL": "postgresql://admin:pw@db.example.com:5432/postgres",
        "CROSSDOCK_BROKER_URL": "amqp://admin:p%40w@broker.example.com:5672/",
        "CROSSDOCK_MANAGEMENT_URL": "http://broker.example.com:15672/",
    }
    servers = choose_servers(run_dir, said.append, given)
    assert servers.processes == ()
    assert servers.postgres_admin_url == given["CROSSDOCK_POSTGRES_ADMIN_URL"]
    assert (servers.broker.user, servers.broker.password) == ("admin", "p@w")
    assert servers.broker.management_url == "http://broker.example.com:15672"
    assert len(said) == 2


def test_a_port_that_someone_took_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    first = files.ports(tmp_path, ("gateway", "postgres"))
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", first["gateway"]))
        squatter.listen()
        second = files.ports(tmp_path, ("gateway", "postgres"))
    assert second["gateway"] != first["gateway"]
    assert second["postgres"] == first["postgres"]


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    assert files.secret(tmp_path, "postgres") == files.secret(tmp_path, "postgres") != files.secret(tmp_path, "broker")
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to be hidden from Postgres")
async def test_postgres_starts_for_root_below_a_closed_folder_without_user_namespaces(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = postgres._works
    monkeypatch.setattr(postgres, "_works", lambda prefix: prefix[0] != "unshare" and works(prefix))
    closed = run_dir / "closed"
    closed.mkdir(mode=0o700)
    url, process = private_postgres_for_tests(closed / "base", run_dir / "tools", print)
    supervisor.start([[process]], run_dir)
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


def fake_docker(folder: Path, monkeypatch: pytest.MonkeyPatch, *, pull: str) -> None:
    """Put a `docker` first on the PATH whose engine answers, has no image, and answers a pull with `pull`."""
    script = folder / "docker"
    script.write_text(f"#!/bin/sh\ncase $1 in version) echo 28 ;; image) exit 1 ;; pull) {pull} ;; esac\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_without_the_image_an_answering_docker_is_left_aloud(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_docker(run_dir, monkeypatch, pull="echo 'no route to registry' >&2; exit 1")
    said: list[str] = []
    servers = choose_servers(run_dir, said.append, {})
    assert "Postgres: Docker cannot bring postgres:17 (no route to registry); going on without Docker." in said
    assert [process.name for process in servers.processes] == ["postgres", "epmd", "rabbitmq"]


def test_with_the_image_servers_are_containers_on_loopback_with_no_password_in_the_process_list(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_docker(run_dir, monkeypatch, pull="exit 0")
    said: list[str] = []
    servers = choose_servers(run_dir, said.append, {})
    assert said[-1].startswith("RabbitMQ: container of")
    for process, password in zip(servers.processes, ("postgres", "broker"), strict=True):
        assert "exec docker run" in process.argv[2]
        published = [argument for argument in process.argv if argument.startswith("127.0.0.1:")]
        assert len(published) == process.argv.count("--publish") > 0
        secret = files.secret(run_dir, password)
        assert secret in process.env.values()
        assert secret not in " ".join(process.argv)
