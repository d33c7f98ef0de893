"""The whole product as real processes on the servers of a test run, in a database and a virtual host of its own."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import httpx
from prometheus_client.parser import text_string_to_metric_families

from crossdock.cli.stack import SERVICES, Stack
from crossdock.local import files, servers
from crossdock.local.servers import Broker
from crossdock.testing.database import drop
from crossdock.testing.servers import fresh_vhost
from crossdock.testing.system import System
from crossdock.testing.waiting import eventually


@contextmanager
def shared_system(
    folder: Path, postgres_url: str, broker: Broker, settings: Mapping[str, str], *, public: bool = False
) -> Iterator[System]:
    """Start the five services and the sandbox, every service with `settings` (names without their prefix); its logs are
    in `folder`/logs. Servers that are shared must not be broken. `public`: the gateway knows its own address, so that
    stores send it webhooks and browsers."""
    folder.mkdir(parents=True, exist_ok=True)
    database = f"whole_{token_hex(4)}"
    with ExitStack() as ending:
        vhost = ending.enter_context(fresh_vhost(broker))
        where = {
            "CROSSDOCK_POSTGRES_ADMIN_URL": postgres_url,
            "CROSSDOCK_BROKER_URL": vhost,
            "CROSSDOCK_MANAGEMENT_URL": broker.management_url,
        }
        chosen = servers.choose_servers(folder, lambda _: None, where)
        ports = files.ports(folder, (*SERVICES, "sandbox"))
        public_url = f"http://127.0.0.1:{ports['gateway']}" if public else ""
        stack = Stack(folder, chosen, ports, sandbox=True, database=database, public_url=public_url)
        system = System(stack, folder)
        for service in SERVICES:
            system.configure(service, **settings)
        ending.callback(asyncio.run, drop(postgres_url, database, SERVICES))
        ending.callback(system.end)
        system.begin()
        yield system


def take_live(hub: httpx.Client, channel_id: str, seconds: float = 30.0) -> None:
    """Take a new channel live with all its orders, as soon as order-ingest has heard of it, and wait until that knows
    it as live. Fails after `seconds`."""
    path = f"/v1/channels/{channel_id}/go-live"

    def answered(status: int, **choice: object) -> bool:
        with suppress(httpx.TransportError):
            return hub.post(path, json={"orders": "all"} | choice).status_code == status
        return False

    eventually(lambda: answered(200), seconds)
    eventually(lambda: answered(409, preview=True), seconds)


def metric(url: str, name: str, **labels: str) -> float | None:
    """The sum of a metric of the process at `url` over all samples with these labels (dots as underscores), or None
    when there is none; `name` as Prometheus knows it."""
    text_ = httpx.get(f"{url}/metrics", timeout=10, trust_env=False).text
    samples = [sample for family in text_string_to_metric_families(text_) for sample in family.samples]
    found = [one.value for one in samples if one.name == name and labels.items() <= one.labels.items()]
    return sum(found) if found else None
