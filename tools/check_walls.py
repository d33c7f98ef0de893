"""Check two rules that no linter knows: who may end a transaction or settle a message, and how long things may be."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTLING = {"commit", "rollback", "ack", "nack", "reject"}
# The message runtime, and the one place that runs migrations.
MAY_SETTLE = ("libs/common/src/crossdock/messaging/", "libs/common/src/crossdock/storage/", "libs/sandbox/")
LONGEST_FUNCTION, LONGEST_FILE = 70, 450


def faults(path: Path) -> Iterator[str]:
    """Yield one sentence for each rule that the file breaks, `path:line: …`."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text()
    length = text.count("\n")
    if length > LONGEST_FILE:
        yield f"{name}:1: {length} lines; split it into a package, one file per subject (at most {LONGEST_FILE})."
    for node in ast.walk(ast.parse(text, name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{name}:{node.lineno}: {node.name} has {lines} lines (at most {LONGEST_FUNCTION})."
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            call = node.func.attr
            if call in SETTLING and not name.startswith(MAY_SETTLE):
                yield f"{name}:{node.lineno}: .{call}() is crossdock.messaging's; open its transaction() instead."


def main() -> int:
    """Print every fault in the product's sources; return 1 if there is one."""
    sources = [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("bench/**/*.py")]
    found = [fault for path in sorted(sources) if "migrations" not in path.parts for fault in faults(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
