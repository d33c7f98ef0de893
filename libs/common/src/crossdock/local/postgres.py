"""A private Postgres: found or unpacked binaries, a data folder of our own, loopback only, a generated password."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from crossdock.local.packages import unpack
from crossdock.local.processes import Process, StartFailed, clean_environment

SUPERUSER = "crossdock_admin"
_NOBODY = 65534

_DURABLE = {"max_connections": "200"}
# Without fsync the meaning of a commit is the same for every client; only a crash of the machine would lose data.
_FAST = {"max_connections": "300", "fsync": "off", "full_page_writes": "off"}


class Binaries:
    """Where Postgres' programs lie and the environment they need."""

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self.folder = folder
        libraries = sorted(str(found) for found in (root / "usr/lib").glob("*-linux-gnu*")) if root else []
        self.env = clean_environment({"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else None)
        self.env["LC_ALL"] = "C.UTF-8"


def find_binaries(tools: Path, say: Callable[[str], None]) -> Binaries:
    """Return installed binaries, else those unpacked (now, if need be) below `tools`.

    Raises PackagesUnavailable.
    """
    if installed := _newest(Path("/")):
        say(f"Postgres: private server from the installed binaries in {installed}.")
        return Binaries(installed)
    if on_path := shutil.which("postgres"):
        folder = Path(on_path).resolve().parent
        if (folder / "initdb").exists():
            say(f"Postgres: private server from the installed binaries in {folder}.")
            return Binaries(folder)
    root = tools / "postgres"
    if _newest(root) is None:
        say("Postgres: not installed, unpacking Debian packages (about 20 MB) into " + str(root) + ".")
        unpack(["postgresql"], root)
    unpacked = _newest(root)
    if unpacked is None:
        raise StartFailed(f"The Postgres packages unpacked into {root} hold no initdb; remove that folder and retry.")
    say(f"Postgres: private server from unpacked packages in {root}.")
    return Binaries(unpacked, root)


def private_postgres(base: Path, binaries: Binaries, *, port: int, password: str, durable: bool) -> Process:
    """Prepare the data folder `base`/data and return the server as a process on 127.0.0.1:`port`.

    `durable` is for data that matters; otherwise the server is fast and its data worthless after a crash of the
    machine. Raises StartFailed if the data folder cannot be made.
    """
    base.mkdir(parents=True, exist_ok=True)
    data = base / "data"
    prefix = _without_root(base)
    if not (data / "PG_VERSION").exists():
        _initdb(base, data, binaries, prefix, password, durable)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",  # a socket's path may have 107 bytes, a checkout's can be longer
        "jit": "off",
        **(_DURABLE if durable else _FAST),
    }
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Process(
        name="postgres",
        argv=(*prefix, str(binaries.folder / "postgres"), "-D", str(data), *flags),
        env=binaries.env,
        ready=f"postgresql://127.0.0.1:{port}",
        stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients
        when_orphaned="kill -QUIT -{pgid}",  # the server ends its backends, which have sessions of their own
        url=f"postgresql://127.0.0.1:{port}",
    )


def _initdb(base: Path, data: Path, binaries: Binaries, prefix: list[str], password: str, durable: bool) -> None:
    shutil.rmtree(data, ignore_errors=True)  # what a broken attempt left
    secret = base / "password"
    secret.write_text(password)
    secret.chmod(0o600)
    if prefix and prefix[0] == "setpriv":
        os.chown(secret, _NOBODY, _NOBODY)
    # In tests `password` spares every connection SCRAM's 4096 rounds in Python; the password is as secret.
    arguments = ["-U", SUPERUSER, "--auth", "scram-sha-256" if durable else "password", "--pwfile", str(secret)]
    arguments += ["-E", "UTF8", "--locale=C.UTF-8", *([] if durable else ["--no-sync"])]
    try:
        made = subprocess.run(
            [*prefix, binaries.folder / "initdb", "-D", data, *arguments],
            env=binaries.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        secret.unlink()
    if made.returncode:
        raise StartFailed(f"Postgres' data folder {data} cannot be made: {made.stderr.strip()[-1500:]}")


def _newest(root: Path) -> Path | None:
    found = [folder for folder in root.glob("usr/lib/postgresql/*/bin") if (folder / "initdb").exists()]
    return max(found, key=lambda folder: float(folder.parent.name), default=None)


def _without_root(base: Path) -> list[str]:
    """Return what to put before a command so that Postgres, which refuses to run as root, does not see uid 0.

    First choice is a user namespace: files stay root's. Where a container forbids it, user `nobody` that may still
    pass folders closed to others (a checkout below /root), with `base` made its own.
    """
    if os.geteuid() != 0:
        return []
    namespace = ["unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}"]
    nobody = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    # With no_setuid_fixup also access(2), with which Postgres looks for its programs, heeds that capability.
    nobody += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    for prefix, owner in ((namespace, 0), (nobody, _NOBODY)):
        if _works(prefix):
            _give(base, owner)
            return prefix
    raise StartFailed(
        "Postgres refuses to run as root, and this machine allows neither a user namespace nor another user: "
        "run as an ordinary user, or set CROSSDOCK_POSTGRES_ADMIN_URL."
    )


def _give(base: Path, owner: int) -> None:
    if base.stat().st_uid != owner:
        for folder, _, files in os.walk(base):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                os.chown(path, owner, owner)


def _works(prefix: list[str]) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
