"""One Postgres and one RabbitMQ for a test run: given by URL, from testcontainers, or private; they end with it."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from crossdock.local.docker import POSTGRES_IMAGE, RABBITMQ_IMAGE, engine_answers, image_comes
from crossdock.local.processes import Child, Process, stop_together, wait_until_ready
from crossdock.local.servers import Broker, broker_at, private_broker_for_tests, private_postgres_for_tests

Say = Callable[[str], None]


@contextmanager
def postgres_server(tools: Path, say: Say) -> Iterator[str]:
    """Yield the URL of a superuser of a Postgres for tests."""
    if url := os.environ.get("CROSSDOCK_TEST_POSTGRES_URL"):
        yield url
    elif engine_answers() and image_comes(POSTGRES_IMAGE, "Postgres", say):
        from testcontainers.community.postgres import PostgresContainer

        flags = "-c fsync=off -c full_page_writes=off -c max_connections=300"
        with PostgresContainer(POSTGRES_IMAGE, driver=None).with_command(flags) as container:
            yield container.get_connection_url()
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
        from testcontainers.community.rabbitmq import RabbitMqContainer

        with RabbitMqContainer(RABBITMQ_IMAGE).with_exposed_ports(5672, 15672) as container:
            host = container.get_container_host_ip()
            amqp = f"amqp://guest:guest@{host}:{container.get_exposed_port(5672)}"
            yield broker_at(amqp, f"http://{host}:{container.get_exposed_port(15672)}")
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
