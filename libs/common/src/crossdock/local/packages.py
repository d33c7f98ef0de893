"""Unpack Debian packages into a folder of our own: no root, nothing installed into the system.

It uses the machine's own package sources, with package lists and cache of its own. Standard library only, because
`tools/setup` runs this file with the system's Python before anything is installed.
"""

import fcntl
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Parts of our own servers are unpacked whole, even where the machine has some of them; of the rest only libraries
# that it lacks, and of these none that only an installation or an optional part needs.
_OURS = ("erlang-*", "postgresql-[0-9]*", "postgresql-client-[0-9]*", "python3-pip-whl", "rabbitmq-server")
_LIBRARIES = ("lib*", "tzdata")
_NEEDLESS = ("libllvm*", "lib*-perl", "libc6", "libgcc-s1", "libstdc++6")


class PackagesUnavailable(Exception):
    """Debian packages could not be fetched; the message says which and why."""


def unpack(packages: list[str], destination: Path) -> None:
    """Unpack `packages`, and the libraries they need and the machine lacks, below `destination`.

    Does nothing if that was done before. Raises PackagesUnavailable.
    """
    done = destination / f".{'+'.join(packages)}.done"
    destination.mkdir(parents=True, exist_ok=True)
    with (destination / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            return
        for tool in ("apt-get", "dpkg"):
            if shutil.which(tool) is None:
                raise PackagesUnavailable(f"{', '.join(packages)} cannot be fetched: this machine has no {tool}.")
        with tempfile.TemporaryDirectory(dir=destination, prefix=".fetch-") as scratch:
            _fetch_and_unpack(packages, Path(scratch), destination)
        done.touch()


def _fetch_and_unpack(packages: list[str], scratch: Path, destination: Path) -> None:
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (scratch / folder).mkdir(parents=True)
    updated = _apt(scratch, "update")
    resolved = _apt(
        scratch, "install", "--yes", "--no-install-recommends", "--print-uris", *packages, nothing_installed=True
    )
    names = _needed(resolved.stdout)
    if resolved.returncode or not names:
        raise PackagesUnavailable(_sentence(packages, updated, resolved))
    downloaded = _apt(scratch, "download", *names)
    archives = sorted((scratch / "debs").glob("*.deb"))
    if downloaded.returncode or not archives:
        raise PackagesUnavailable(_sentence(packages, downloaded))
    for archive in archives:
        subprocess.run(["dpkg", "-x", archive, destination], check=True, capture_output=True)


def _needed(uris: str) -> list[str]:
    names = set(re.findall(r"^'[^']*' ([^_ ]+)_", uris, flags=re.MULTILINE))
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n"]
    known = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    installed = {line.split()[1] for line in known if line.startswith("installed ")}
    lacking = {name for name in names - installed if _matches(name, _LIBRARIES) and not _matches(name, _NEEDLESS)}
    return sorted(lacking | {name for name in names if _matches(name, _OURS)})


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _apt(
    scratch: Path, command: str, *arguments: str, nothing_installed: bool = False
) -> subprocess.CompletedProcess[str]:
    options = {
        "Dir::State::lists": f"{scratch}/lists",
        "Dir::Cache": f"{scratch}/cache",
        "APT::Sandbox::User": "",  # as root, apt would fetch as a user that cannot write here
        "Debug::NoLocking": "1",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
    }
    if nothing_installed:
        options["Dir::State::status"] = "/dev/null"
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    return subprocess.run(
        ["apt-get", "-q", *flags, command, *arguments],
        cwd=scratch / "debs",
        env=os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _sentence(packages: list[str], *attempts: subprocess.CompletedProcess[str]) -> str:
    lines = [
        line for attempt in attempts for line in attempt.stderr.splitlines() if line.startswith(("E:", "W:", "Err"))
    ]
    return f"{', '.join(packages)} cannot be fetched from this machine's package sources: {' '.join(lines[-3:])}"


if __name__ == "__main__":
    try:
        unpack(sys.argv[2:], Path(sys.argv[1]).resolve())
    except PackagesUnavailable as failure:
        sys.exit(str(failure))
