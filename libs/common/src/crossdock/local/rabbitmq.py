"""A private RabbitMQ node: found or unpacked, with an epmd, a cookie and data of its own, loopback only."""

import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossdock.local.packages import unpack
from crossdock.local.processes import Process, StartFailed, clean_environment

_ERL_ROOT = "ROOTDIR=/usr/lib/erlang\n"
# Idle schedulers spin for work by default; on a machine shared with the services that takes the CPU they need
# (https://www.rabbitmq.com/docs/runtime#busy-waiting).
_NO_BUSY_WAITING = "+sbwt none +sbwtdcpu none +sbwtdio none"


@dataclass(frozen=True, slots=True)
class Installation:
    """Where RabbitMQ and Erlang lie; `env` is the environment that their programs need."""

    home: Path
    epmd: str
    env: dict[str, str]


def find_installation(tools: Path, say: Callable[[str], None]) -> Installation:
    """Return the installed RabbitMQ, else one unpacked (now, if need be) below `tools`.

    Raises PackagesUnavailable.
    """
    epmd = shutil.which("epmd")
    if epmd and shutil.which("erl") and (home := _newest(Path("/"))):
        say(f"RabbitMQ: private node from the installed {home.name}.")
        return Installation(home, epmd, clean_environment())
    root = tools / "rabbitmq"
    if _newest(root) is None:
        say(f"RabbitMQ: not installed, unpacking Debian packages (about 35 MB) into {root}.")
        unpack(["rabbitmq-server"], root)
    home = _newest(root)
    if home is None:
        raise StartFailed(f"The packages unpacked into {root} hold no RabbitMQ; remove that folder and retry.")
    erlang = root / "usr/lib/erlang"
    _make_relocatable(erlang)
    libraries = ":".join(sorted(str(found) for found in (root / "usr/lib").glob("*-linux-gnu*")))
    env = clean_environment({"ERL_ROOTDIR": str(erlang), "LD_LIBRARY_PATH": libraries})
    env["PATH"] = f"{erlang}/bin:{env.get('PATH', '/usr/bin:/bin')}"
    say(f"RabbitMQ: private node from unpacked {home.name} in {root}.")
    return Installation(home, f"{erlang}/bin/epmd", env)


def private_rabbitmq(
    base: Path, installation: Installation, *, ports: Sequence[int], user: str, password: str, durable: bool
) -> list[Process]:
    """Write the node's configuration below `base` and return epmd and the node as processes.

    `ports` are five free ports: AMQP, management, Erlang distribution, epmd, command-line tools. A node that is not
    `durable` is ended without leave, since 3.10 takes 6 s to stop politely.
    """
    amqp, management, distribution, epmd, tools = ports
    env = installation.env | _write_configuration(base, amqp, management, user, password)
    env |= {
        "ERL_EPMD_PORT": str(epmd),
        "RABBITMQ_NODE_PORT": str(amqp),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CTL_DIST_PORT_MIN": str(tools),
        "RABBITMQ_CTL_DIST_PORT_MAX": str(tools),
    }
    return [
        # In the foreground and ours: an epmd that the node starts itself would outlive it.
        Process("epmd", (installation.epmd, "-address", "127.0.0.1", "-port", str(epmd)), env, stop_within=1.0),
        Process(
            "rabbitmq",
            (str(installation.home / "sbin/rabbitmq-server"),),
            env,
            ready=f"amqp://127.0.0.1:{amqp}",
            stop_signal=signal.SIGTERM if durable else signal.SIGKILL,
            url=f"http://127.0.0.1:{management}",
        ),
    ]


def _write_configuration(base: Path, amqp: int, management: int, user: str, password: str) -> dict[str, str]:
    for folder in ("home", "mnesia", "log"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    (base / "env.conf").write_text("")
    (base / "advanced.config").write_text("[].\n")
    (base / "enabled_plugins").write_text("[rabbitmq_management].\n")
    configuration = base / "rabbitmq.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f"listeners.tcp.default = 127.0.0.1:{amqp}\n"
        "management.tcp.ip = 127.0.0.1\n"
        f"management.tcp.port = {management}\n"
        f"default_user = {user}\n"
        f"default_pass = {password}\n"
        "vm_memory_high_watermark.absolute = 1GiB\n"
        "disk_free_limit.absolute = 50MB\n"
    )
    return {
        "HOME": f"{base}/home",  # the Erlang cookie
        "LANG": "C.UTF-8",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONF_ENV_FILE": f"{base}/env.conf",  # else /etc/rabbitmq is read
        "RABBITMQ_NODENAME": "crossdock@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": f"{base}/mnesia",
        "RABBITMQ_LOG_BASE": f"{base}/log",
        "RABBITMQ_LOGS": f"{base}/log/node.log",
        "RABBITMQ_PID_FILE": f"{base}/node.pid",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{base}/enabled_plugins",
        "RABBITMQ_CONFIG_FILE": str(configuration),
        "RABBITMQ_ADVANCED_CONFIG_FILE": f"{base}/advanced.config",
        "RABBITMQ_FEATURE_FLAGS_FILE": f"{base}/feature_flags",
        "RABBITMQ_GENERATED_CONFIG_DIR": f"{base}/generated",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {_NO_BUSY_WAITING}",
    }


def _newest(root: Path) -> Path | None:
    found = root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*")
    return max(found, key=lambda home: [int(part) for part in home.name.split("-")[1].split(".")], default=None)


def _make_relocatable(erlang: Path) -> None:
    for script in (*erlang.glob("bin/*"), *erlang.glob("erts-*/bin/*")):
        if script.name in ("erl", "start") and _ERL_ROOT in (text := script.read_text()):
            script.write_text(text.replace(_ERL_ROOT, "ROOTDIR=${ERL_ROOTDIR:-/usr/lib/erlang}\n"))
