"""Choose Postgres and RabbitMQ for this machine and say the choice aloud; a server that was there is never touched.

In this order: URLs in the environment; Docker, when an engine answers and the image comes; private servers from
installed binaries, else from Debian packages unpacked into a folder of our own.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from crossdock.local import docker, files
from crossdock.local.postgres import SUPERUSER, find_binaries, private_postgres
from crossdock.local.processes import Process, StartFailed
from crossdock.local.rabbitmq import find_installation, private_rabbitmq

_BROKER_USER = "crossdock_admin"
_BROKER_PORTS = ("amqp", "management", "distribution", "epmd", "broker_tools")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Broker:
    """A RabbitMQ and a user of it with every right; URLs end without a slash, the AMQP one carries credentials."""

    amqp_url: str
    management_url: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Servers:
    """Postgres (URL of a superuser, database `postgres`), the broker, and the processes that must run for them.

    There are no processes for a server that runs already.
    """

    postgres_admin_url: str
    broker: Broker
    processes: tuple[Process, ...]


def broker_at(amqp_url: str, management_url: str) -> Broker:
    """Return the broker behind two URLs, the first of which carries user and password; raises StartFailed."""
    parts = urlsplit(amqp_url)
    if not parts.username or not parts.password or not management_url:
        raise StartFailed("The broker's AMQP URL needs a user and a password, and its management URL must be set too.")
    user, password = unquote(parts.username), unquote(parts.password)
    return Broker(amqp_url.rstrip("/"), management_url.rstrip("/"), user, password)


def choose_servers(run_dir: Path, say: Say, environ: Mapping[str, str] = os.environ) -> Servers:
    """Return the servers of `crossdock up`, their data and generated passwords in `run_dir`.

    `environ` may hold CROSSDOCK_POSTGRES_ADMIN_URL, CROSSDOCK_BROKER_URL with CROSSDOCK_MANAGEMENT_URL, and
    CROSSDOCK_SERVERS=private, which leaves Docker out.

    Raises StartFailed or PackagesUnavailable, each with a sentence for the person who starts it.
    """
    url, amqp_url = environ.get("CROSSDOCK_POSTGRES_ADMIN_URL"), environ.get("CROSSDOCK_BROKER_URL")
    engine = not (url and amqp_url) and docker.engine_answers(environ)
    processes: list[Process] = []
    if url:
        say("Postgres: the server that CROSSDOCK_POSTGRES_ADMIN_URL names.")
    else:
        url, process = _postgres(run_dir, say, engine=engine)
        processes.append(process)
    if amqp_url:
        say("RabbitMQ: the broker that CROSSDOCK_BROKER_URL names.")
        broker = broker_at(amqp_url, environ.get("CROSSDOCK_MANAGEMENT_URL", ""))
    else:
        broker, broker_processes = _rabbitmq(run_dir, say, engine=engine)
        processes += broker_processes
    return Servers(url, broker, tuple(processes))


def private_postgres_for_tests(base: Path, tools: Path, say: Say) -> tuple[str, Process]:
    """Return the admin URL of a fast, throw-away Postgres with data below `base`, and its process."""
    port = files.ports(base, ("postgres",))["postgres"]
    password = files.secret(base, "postgres")
    binaries = find_binaries(tools, say)
    process = private_postgres(base / "postgres", binaries, port=port, password=password, durable=False)
    return _admin_url(port, password), process


def private_broker_for_tests(base: Path, tools: Path, say: Say) -> tuple[Broker, list[Process]]:
    """Return a throw-away RabbitMQ with data below `base`, and its processes."""
    return _private_node(base, tools, say, durable=False)


def _postgres(run_dir: Path, say: Say, *, engine: bool) -> tuple[str, Process]:
    port = files.ports(run_dir, ("postgres",))["postgres"]
    password = files.secret(run_dir, "postgres")
    if engine and docker.image_comes(docker.POSTGRES_IMAGE, "Postgres", say):
        say(f"Postgres: container of {docker.POSTGRES_IMAGE}.")
        process = docker.postgres_container(run_dir, port=port, password=password)
    else:
        binaries = find_binaries(run_dir / "tools", say)
        process = private_postgres(run_dir / "postgres", binaries, port=port, password=password, durable=True)
    return _admin_url(port, password), process


def _rabbitmq(run_dir: Path, say: Say, *, engine: bool) -> tuple[Broker, list[Process]]:
    if not (engine and docker.image_comes(docker.RABBITMQ_IMAGE, "RabbitMQ", say)):
        return _private_node(run_dir, run_dir / "tools", say, durable=True)
    say(f"RabbitMQ: container of {docker.RABBITMQ_IMAGE}.")
    chosen = files.ports(run_dir, _BROKER_PORTS[:2])
    broker = _local_broker(chosen, files.secret(run_dir, "broker"))
    container = docker.rabbitmq_container(
        run_dir,
        amqp=chosen["amqp"],
        management=chosen["management"],
        user=broker.user,
        password=broker.password,
    )
    return broker, [container]


def _private_node(base: Path, tools: Path, say: Say, *, durable: bool) -> tuple[Broker, list[Process]]:
    installation = find_installation(tools, say)
    chosen = files.ports(base, _BROKER_PORTS)
    broker = _local_broker(chosen, files.secret(base, "broker"))
    numbers = [chosen[name] for name in _BROKER_PORTS]
    processes = private_rabbitmq(
        base / "rabbitmq",
        installation,
        ports=numbers,
        user=broker.user,
        password=broker.password,
        durable=durable,
    )
    return broker, processes


def _admin_url(port: int, password: str) -> str:
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres"


def _local_broker(ports: Mapping[str, int], password: str) -> Broker:
    amqp_url = f"amqp://{_BROKER_USER}:{password}@127.0.0.1:{ports['amqp']}"
    return Broker(amqp_url, f"http://127.0.0.1:{ports['management']}", _BROKER_USER, password)
