"""One Postgres and one RabbitMQ for a test run: given by URL, from testcontainers, or private; they end with it."""

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from crossdock.local.docker import POSTGRES_IMAGE, RABBITMQ_IMAGE, engine_answers, image_comes
from crossdock.local.postgres import SUPERUSER
from crossdock.local.processes import Child, Process, StartFailed, stop_together, wait_until_ready
from crossdock.local.ready import answers
from crossdock.local.servers import Broker, broker_at, private_broker_for_tests, private_postgres_for_tests

Say = Callable[[str], None]
_CONTAINER_READY_WITHIN = 60.0


@contextmanager
def postgres_server(tools: Path, say: Say) -> Iterator[str]:
    """Yield the URL of a superuser of a Postgres for tests."""
    if url := os.environ.get("CROSSDOCK_TEST_POSTGRES_URL"):
        yield url
    elif engine_answers() and image_comes(POSTGRES_IMAGE, "Postgres", say):
        password = secrets.token_urlsafe(16)
        settings = {"POSTGRES_USER": SUPERUSER, "POSTGRES_DB": "postgres", "POSTGRES_PASSWORD": password}
        command = "-c fsync=off -c full_page_writes=off -c max_connections=300"
        with _container(POSTGRES_IMAGE, settings, {5432: "postgresql"}, command) as addresses:
            yield f"postgresql://{SUPERUSER}:{password}@{addresses[5432]}/postgres"
    else:
        with _scratch() as base:
            url, process = private_postgres_for_tests(base, tools, say)
            with _running(base, [process]):
                yield url


@contextmanager
def broker_server(tools: Path, say: Say) -> Iterator[Broker]:
    """Yield a RabbitMQ for tests, with its management API."""
    if url := os.environ.get("CROSSDOCK_TEST_BROKER_URL"):
        yield broker_at(url, os.environ.get("CROSSDOCK_TEST_MANAGEMENT_URL", ""))
    elif engine_answers() and image_comes(RABBITMQ_IMAGE, "RabbitMQ", say):
        user, password = "crossdock_admin", secrets.token_urlsafe(16)
        settings = {"RABBITMQ_DEFAULT_USER": user, "RABBITMQ_DEFAULT_PASS": password}
        with _container(RABBITMQ_IMAGE, settings, {5672: "amqp", 15672: None}) as addresses:
            yield broker_at(f"amqp://{user}:{password}@{addresses[5672]}", f"http://{addresses[15672]}")
    else:
        with _scratch() as base:
            broker, processes = private_broker_for_tests(base, tools, say)
            with _running(base, processes):
                yield broker


@contextmanager
def fresh_vhost(broker: Broker) -> Iterator[str]:
    """Yield the AMQP URL of a new virtual host, of which the broker's user has every right; delete it at the end."""
    import httpx

    name = f"test-{secrets.token_hex(8)}"
    path = f"{broker.management_url}/api/vhosts/{name}"
    with httpx.Client(auth=(broker.user, broker.password), timeout=30, trust_env=False) as management:
        management.put(path).raise_for_status()
        try:
            yield f"{broker.amqp_url}/{name}"
        finally:
            management.delete(path).raise_for_status()


@contextmanager
def _container(
    image: str, settings: Mapping[str, str], ports: Mapping[int, str | None], command: str = ""
) -> Iterator[dict[int, str]]:
    """Run a container and yield `host:port` of each of its ports, once those with a protocol answer it."""
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(image, env=dict(settings), ports=list(ports), command=command or None)
    with container:
        host = container.get_container_host_ip()
        addresses = {port: f"{host}:{container.get_exposed_port(port)}" for port in ports}
        awaited = [f"{protocol}://{addresses[port]}" for port, protocol in ports.items() if protocol]
        end = time.monotonic() + _CONTAINER_READY_WITHIN
        while not all(answers(url) for url in awaited):
            if time.monotonic() > end:
                raise StartFailed(f"The container of {image} did not answer within {_CONTAINER_READY_WITHIN:.0f} s.")
            time.sleep(0.1)
        yield addresses


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="crossdock-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _running(base: Path, processes: list[Process]) -> Iterator[None]:
    children = [Child(process, base / "logs") for process in processes]
    with ExitStack() as ending:
        ending.callback(stop_together, children)
        for child in children:
            child.start()
        wait_until_ready(children)
        yield
