"""What a run measured, as one table and one JSON file, beside the budgets of docs/architecture/performance.md."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

QUIET = 0.1
"""The share of the machine that other programs may take before rates and latencies mean little."""

MET = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}

PACKAGES = (
    "aiormq",
    "aio-pika",
    "asyncpg",
    "dramatiq",
    "fastapi",
    "faststream",
    "pydantic",
    "sqlalchemy",
    "uvicorn",
    "uvloop",
)


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure of several rounds: the median, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one value for each round."""
        return cls(round(statistics.median(values), 4), round(min(values), 4), round(max(values), 4))

    def shown(self, form: Callable[[float], str]) -> str:
        """`median (low to high)`, or the one value there is."""
        if self.low == self.high:
            return form(self.median)
        return f"{form(self.median)} ({form(self.low)} to {form(self.high)})"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; `met` says whether the median keeps the budget, None where there is none."""

    what: str
    ours: str
    baseline: str
    ratio: str
    budget: str
    met: bool | None


@dataclass(slots=True)
class Report:
    """Everything that goes into the file."""

    facts: dict[str, Any]
    lines: list[Line] = field(default_factory=list)
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    weights: list[dict[str, Any]] = field(default_factory=list)

    def add(self, line: Line) -> None:
        """One more line of the table."""
        self.lines.append(line)

    def keep(self, name: str, figures: Any) -> None:
        """The figures of one round (a dataclass)."""
        self.rounds.setdefault(name, []).append(asdict(figures))

    def write(self, path: Path) -> None:
        """Replace the JSON file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [asdict(line) for line in self.lines]
        content = self.facts | {"lines": lines, "rounds": self.rounds, "memory": self.weights}
        path.write_text(json.dumps(content, indent=1) + "\n")

    def show(self, console: Console) -> None:
        """The table, and where the CPU went."""
        table = Table(title=f"Crossdock, {self.facts['mode']} run of {self.facts['at']}", title_justify="left")
        for heading in ("what", "ours", "baseline", "ratio", "budget", "met"):
            table.add_column(heading, overflow="fold")
        for line in self.lines:
            values = (line.what, line.ours, line.baseline, line.ratio, line.budget)
            table.add_row(*values, MET[line.met])
        console.print(table)
        for name, rounds in self.rounds.items():
            parts = {process: statistics.median(r["cpu"][process] for r in rounds) for process in rounds[0]["cpu"]}
            told = ", ".join(f"{process} {micros:.0f}" for process, micros in sorted(parts.items()))
            others = statistics.median(r["others"] for r in rounds)
            console.print(f"{name}: CPU µs for each message: {told}; others took {percent(others)}", highlight=False)
        disturbed = max((r["others"] for rounds in self.rounds.values() for r in rounds), default=0.0)
        if disturbed > QUIET:
            console.print(f"Other programs took up to {percent(disturbed)} of this machine: only the ratios count.")
        machine = self.facts["machine"]
        console.print(
            f"{machine['cores']} cores ({machine['processor']}), load average {self.facts['load_average']}, "
            f"one fsync {self.facts['fsync_ms']} ms, Python {machine['python']}, {self.facts['servers']}",
            highlight=False,
        )


def facts(mode: str, servers: str, fsync_ms: float) -> dict[str, Any]:
    """What a reader must know to judge the figures."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "mode": mode,
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "processor": _processor(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "packages": {name: version(name) for name in PACKAGES},
        "servers": servers,
        "fsync_ms": round(fsync_ms, 3),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def whole(value: float) -> str:
    """1234.5 as 1,234."""
    return f"{value:,.0f}"


def times(value: float) -> str:
    """12.34 as 12.3 ×."""
    return f"{value:.1f} ×"


def percent(value: float) -> str:
    """0.567 as 57 %."""
    return f"{100 * value:.0f} %"
