"""Write the JSON schema of every event, or check that each change since an older revision is additive.

python tools/schemas.py write            after an event was added or got a field
python tools/schemas.py check [REVISION] before it is merged; the revision is HEAD^ unless given
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from crossdock.contracts.compatibility import incompatibilities
from crossdock.contracts.registry import EVENTS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("libs/common/src/crossdock/contracts/schemas")


def text_of(schema: dict[str, Any]) -> str:
    """A schema as it is kept."""
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def current() -> dict[str, dict[str, Any]]:
    """The schema of every event that the code knows, by type."""
    return {kind: event.model_json_schema(mode="serialization") for kind, event in sorted(EVENTS.items())}


def write() -> int:
    """Bring the folder up to date."""
    (ROOT / FOLDER).mkdir(exist_ok=True)
    for kind, schema in current().items():
        (ROOT / FOLDER / f"{kind}.json").write_text(text_of(schema))
    return 0


def at_revision(revision: str, kind: str) -> dict[str, Any] | None:
    """A schema as it was, or None if there was none."""
    path = f"{revision}:{FOLDER.as_posix()}/{kind}.json"
    shown = subprocess.run(["git", "show", path], cwd=ROOT, capture_output=True, check=False)
    return dict(json.loads(shown.stdout)) if shown.returncode == 0 else None


def check(revision: str) -> int:
    """Print what is stale and what would break a subscriber; returns how much that is."""
    found = []
    for kind, schema in current().items():
        kept = ROOT / FOLDER / f"{kind}.json"
        if not kept.exists() or kept.read_text() != text_of(schema):
            found.append(f"{kind}: its schema is stale; run python tools/schemas.py write")
        old = at_revision(revision, kind)
        found += [f"{kind}: {problem}" for problem in incompatibilities(old or {}, schema)]
    for kept in sorted((ROOT / FOLDER).glob("*.json")):
        if kept.stem not in EVENTS and at_revision(revision, kept.stem) is not None:
            found.append(f"{kept.stem}: the event is gone, subscribers may still want it")
    print(*found, sep="\n", end="\n" if found else "")
    return len(found)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write"]:
            sys.exit(write())
        case ["check", *rest]:
            sys.exit(min(check(rest[0] if rest else "HEAD^"), 1))
        case _:
            sys.exit(__doc__)
