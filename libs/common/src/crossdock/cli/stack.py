"""The whole system on one machine: which processes, in which order, each with no more secrets than it needs."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import make_url

from crossdock.local import files, servers
from crossdock.local.processes import Process, clean_environment
from crossdock.storage.roles import roles_of

SERVICES = ("gateway", "order-ingest", "sku-matcher", "inventory", "fulfillment")
PACKAGES = {name: name.replace("-", "_") for name in SERVICES}


@dataclass(frozen=True)
class Stack:
    """Everything that `up` starts, and how to reach it."""

    run_dir: Path
    servers: servers.Servers
    ports: dict[str, int]
    sandbox: bool
    database: str = "crossdock"
    public_url: str = ""

    @property
    def gateway_url(self) -> str:
        """Where people and scripts call."""
        return self.url("gateway")

    @property
    def sandbox_url(self) -> str:
        """Where the simulated store and warehouse listen."""
        return self.url("sandbox")

    def url(self, name: str) -> str:
        """The base URL of a process."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def secret(self, name: str) -> str:
        """A generated secret of this installation."""
        return files.secret(self.run_dir, name)

    def database_url(self, role: str) -> str:
        """The URL with which a role reaches the database."""
        admin = make_url(self.servers.postgres_admin_url)
        made = admin.set(database=self.database, username=role, password=self.secret(f"role {role}"))
        return made.render_as_string(hide_password=False)

    def owner_urls(self) -> dict[str, str]:
        """The owner role's URL of each service."""
        return {name: self.database_url(roles_of(self.database, name).owner) for name in SERVICES}

    def client(self) -> dict[str, str]:
        """What the command line needs to speak to the running system."""
        broker = self.servers.broker
        return {
            "url": self.gateway_url,
            "api_key": self.secret("api key"),
            "management_url": with_broker_credentials(broker.management_url, broker.amqp_url),
        } | ({"sandbox_url": self.sandbox_url} if self.sandbox else {})

    def stages(self) -> list[list[Process]]:
        """What to start, stage by stage."""
        services = [self._service(name) for name in SERVICES]
        extra = [self._sandbox()] if self.sandbox else []
        return [
            list(self.servers.processes),
            [self._step("bootstrap", self._bootstrap_settings())],
            [self._step("migrate", self._owner_settings()), self._step("topology", self._broker_settings(), "apply")],
            [*services, *extra, self._maintenance()],
        ]

    def _service(self, name: str) -> Process:
        url = self.url(name)
        settings = {
            "DATABASE_URL": self.database_url(roles_of(self.database, name).runtime),
            "BROKER_URL": self.servers.broker.amqp_url,
            "SERVICE_KEY": self.secret("service key"),
            "GATEWAY_URL": self.gateway_url,
            "PORT": str(self.ports[name]),
        }
        settings |= {"PRIVATE_HOSTS": os.environ.get("CROSSDOCK_PRIVATE_HOSTS", "127.0.0.1" if self.sandbox else "")}
        if name == "gateway":
            settings |= {f"{PACKAGES[s].upper()}_URL": self.url(s) for s in SERVICES if s != name}
            settings |= {"SEALING_KEYS": f"local:{self.secret('sealing key')}"}
            settings |= {"BOOTSTRAP_API_KEY": self.secret("api key")}
            settings |= {"PUBLIC_URL": self.public_url} if self.public_url else {}
        if self.sandbox and name == "order-ingest":
            settings |= {"RUN_GAP_SECONDS": "2"}  # nobody waits a minute between two steps of a demonstration
        return _python(name, ("-m", PACKAGES[name]), settings, ready=f"{url}/readyz", url=url)

    def _sandbox(self) -> Process:
        url = self.sandbox_url
        arguments = ("-m", "sandbox", "--port", str(self.ports["sandbox"]))
        return _python("sandbox", arguments, {}, ready=f"{url}/healthz", url=url)

    def _maintenance(self) -> Process:
        return _python("maintenance", ("-m", "crossdock.cli.main", "maintain"), self._owner_settings())

    def _step(self, command: str, settings: dict[str, str], *words: str) -> Process:
        return _python(command, ("-m", "crossdock.cli.main", command, *words), settings, once=True)

    def _bootstrap_settings(self) -> dict[str, str]:
        roles = [
            role
            for name in SERVICES
            for role in (roles_of(self.database, name).owner, roles_of(self.database, name).runtime)
        ]
        passwords = {role: self.secret(f"role {role}") for role in roles}
        return {
            "POSTGRES_ADMIN_URL": self.servers.postgres_admin_url,
            "DATABASE": self.database,
            "ROLE_PASSWORDS": json.dumps(passwords),
        }

    def _owner_settings(self) -> dict[str, str]:
        return {"OWNER_DATABASE_URLS": json.dumps(self.owner_urls())}

    def _broker_settings(self) -> dict[str, str]:
        return {"MANAGEMENT_URL": self.client()["management_url"]}


def make_stack(run_dir: Path, say: Callable[[str], None], *, sandbox: bool) -> Stack:
    """Choose servers, ports and secrets; nothing is started yet. Raises StartFailed or PackagesUnavailable."""
    run_dir.mkdir(parents=True, exist_ok=True)
    chosen = servers.choose_servers(run_dir, say)
    ports = files.ports(run_dir, (*SERVICES, "sandbox"))
    database = os.environ.get("CROSSDOCK_DATABASE", "crossdock")
    stack = Stack(run_dir, chosen, ports, sandbox, database)
    reached = stack.gateway_url if sandbox else ""
    return replace(stack, public_url=os.environ.get("CROSSDOCK_PUBLIC_URL", reached))


def _python(
    name: str,
    arguments: Sequence[str],
    settings: dict[str, str],
    *,
    ready: str | None = None,
    url: str | None = None,
    once: bool = False,
) -> Process:
    return Process(
        name=name,
        argv=(sys.executable, *arguments),
        env=clean_environment({f"CROSSDOCK_{key}": value for key, value in settings.items()}),
        ready=ready,
        ready_within=90.0,
        once=once,
        stop_within=20.0,
        url=url,
    )


def with_broker_credentials(management_url: str, amqp_url: str) -> str:
    """The management API's URL with the user, password and virtual host of the AMQP URL, unless it has its own user."""
    there, broker = urlsplit(management_url), urlsplit(amqp_url)
    if there.username or not broker.username:
        return management_url
    user = broker.netloc.rpartition("@")[0]
    return urlunsplit(there._replace(netloc=f"{user}@{there.netloc}", path=there.path.rstrip("/") + broker.path))
