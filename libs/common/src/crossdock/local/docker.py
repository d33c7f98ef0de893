"""Postgres and RabbitMQ as containers that live as long as the process that runs them, published on loopback only."""

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from crossdock.local.postgres import SUPERUSER
from crossdock.local.processes import Process, clean_environment

POSTGRES_IMAGE = "postgres:17"
RABBITMQ_IMAGE = "rabbitmq:4-management"
_PULL_SECONDS = 240


def engine_answers(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a Docker engine of this machine answers, and CROSSDOCK_SERVERS=private does not leave it out.

    An engine on another machine could not publish ports on our loopback.
    """
    host = environ.get("DOCKER_HOST", "")
    if environ.get("CROSSDOCK_SERVERS") == "private" or (host and not host.startswith("unix://")):
        return False
    if shutil.which("docker") is None:
        return False
    try:
        return _docker(10, "version", "--format", "{{.Server.Version}}").returncode == 0
    except subprocess.TimeoutExpired:
        return False


def image_comes(image: str, server: str, say: Callable[[str], None]) -> bool:
    """Whether the engine has `image` or can pull it; if not, say that and why."""
    try:
        if _docker(10, "image", "inspect", image).returncode == 0:
            return True
        say(f"{server}: Docker answers, pulling {image}.")
        pulled = _docker(_PULL_SECONDS, "pull", "--quiet", image)
    except subprocess.TimeoutExpired:
        say(f"{server}: Docker did not bring {image} in time; going on without Docker.")
        return False
    if pulled.returncode:
        reason = (pulled.stderr.strip().splitlines() or ["no reason given"])[-1]
        say(f"{server}: Docker cannot bring {image} ({reason}); going on without Docker.")
    return pulled.returncode == 0


def postgres_container(run_dir: Path, *, port: int, password: str) -> Process:
    """Return Postgres in a container, its data in a named volume of this installation."""
    return _container(
        run_dir,
        "postgres",
        POSTGRES_IMAGE,
        {"POSTGRES_USER": SUPERUSER, "POSTGRES_DB": "postgres", "POSTGRES_PASSWORD": password},
        {port: 5432},
        "/var/lib/postgresql/data",
        ready=f"postgresql://127.0.0.1:{port}",
        stop_signal=signal.SIGINT,
        arguments=("-c", "max_connections=200", "-c", "jit=off"),
    )


def rabbitmq_container(run_dir: Path, *, amqp: int, management: int, user: str, password: str) -> Process:
    """Return RabbitMQ with its management API in a container, its data in a named volume of this installation."""
    return _container(
        run_dir,
        "rabbitmq",
        RABBITMQ_IMAGE,
        {"RABBITMQ_DEFAULT_USER": user, "RABBITMQ_DEFAULT_PASS": password},
        {amqp: 5672, management: 15672},
        "/var/lib/rabbitmq",
        ready=f"amqp://127.0.0.1:{amqp}",
        url=f"http://127.0.0.1:{management}",
    )


def _container(
    run_dir: Path,
    name: str,
    image: str,
    settings: Mapping[str, str],
    published: Mapping[int, int],
    data: str,
    *,
    ready: str,
    url: str | None = None,
    stop_signal: int = signal.SIGTERM,
    arguments: tuple[str, ...] = (),
) -> Process:
    unique = f"crossdock-{hashlib.sha256(str(run_dir.resolve()).encode()).hexdigest()[:12]}-{name}"
    # `--env NAME` takes the value from the client's environment, so that no password shows in the process list.
    flags = [part for setting in settings for part in ("--env", setting)]
    flags += [part for ours, theirs in published.items() for part in ("--publish", f"127.0.0.1:{ours}:{theirs}")]
    flags += ["--volume", f"{unique}:{data}", "--hostname", unique, "--name", unique]
    # A container that an earlier client left behind, killed or cut off, would hold the name.
    fresh_run = f'docker rm --force {unique} >/dev/null 2>&1; exec docker run --rm "$@"'
    return Process(
        name=name,
        argv=("sh", "-c", fresh_run, "docker-run", *flags, image, *arguments),
        env=clean_environment(settings),
        ready=ready,
        stop_signal=stop_signal,
        when_orphaned=f"docker rm --force {unique}",
        url=url or ready,
    )


def _docker(timeout: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout
    )
