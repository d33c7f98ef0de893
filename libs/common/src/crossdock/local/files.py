"""The small files below `.run/`: secrets that only the owner reads, and ports remembered from one start to the next."""

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossdock.local.processes import free_ports, is_free


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in `path`, or an empty one if the file does not exist."""
    try:
        loaded: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return loaded


def write_json(path: Path, value: object, *, private: bool = False) -> None:
    """Replace `path` in one step; `private` files can be read by their owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644), "w") as file:
        json.dump(value, file, indent=1)
    draft.replace(path)


def secret(run_dir: Path, name: str) -> str:
    """Return the secret called `name` of this installation, made at first use; URL-safe text, 256 bits."""
    path = run_dir / "secrets.json"
    known = read_json(path)
    if name not in known:
        known[name] = secrets.token_urlsafe(32)
        write_json(path, known, private=True)
    return str(known[name])


def ports(run_dir: Path, names: Sequence[str]) -> dict[str, int]:
    """Return a free port for each name, the same as last time where that is still free."""
    path = run_dir / "ports.json"
    known = read_json(path)
    kept = {name: known[name] for name in names if name in known and is_free(known[name])}
    missing = [name for name in names if name not in kept]
    chosen = kept | dict(zip(missing, free_ports(len(missing)), strict=True))
    write_json(path, known | chosen)
    return chosen
