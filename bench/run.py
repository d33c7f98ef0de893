"""Measure Crossdock against the usual ways, on private durable servers, in one run; `make bench` runs it.

Exit status 1 means that a contestant did not do its work; a budget that is missed is shown, and is no failure.
"""

import argparse
import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import stage
import webhooks
from report import Line, Report, Spread, facts, percent, times, whole
from rich.console import Console
from system import System, Wrong, fsync_milliseconds, running_system

from crossdock.local.packages import PackagesUnavailable
from crossdock.local.processes import StartFailed

PARTS = ("gateway", "stage")
LATEST = Path(__file__).with_name("results") / "latest.json"


@dataclass(frozen=True, slots=True)
class Size:
    """How long a run is: rounds, seconds of each load on the gateway, orders of each backlog."""

    rounds: int
    seconds: float
    orders: int
    usual_orders: int


SIZES = {"full": Size(3, 8.0, 30_000, 3_000), "quick": Size(1, 1.0, 2_000, 200)}

console = Console(width=None if sys.stdout.isatty() else 120)


async def gateway(system: System, size: Size, report: Report) -> None:
    """Part (a): the door."""
    doors = await webhooks.open_doors(system)
    rates: dict[str, list[float]] = {"signature_only": [], "ours": []}
    for number in range(size.rounds):
        for name, found in rates.items():
            console.print(f"gateway, round {number + 1} of {size.rounds}: {name.replace('_', ' ')} …", highlight=False)
            told = await webhooks.run_round(system, doors, name, size.seconds)
            report.keep(f"gateway {name}", told)
            found.append(told.per_second)
    half = Spread.of(rates["ours"]).median / 2
    late = []
    for number in range(size.rounds):
        console.print(f"gateway, latency {number + 1} of {size.rounds}: {half:,.0f}/s …", highlight=False)
        told = await webhooks.run_round(system, doors, "ours", size.seconds, rate=half)
        report.keep("gateway ours at half", told)
        late.append(told)
    ratio = Spread.of([ours / theirs for ours, theirs in zip(rates["ours"], rates["signature_only"], strict=True)])
    p50, p99 = Spread.of([one.p50_ms for one in late]), Spread.of([one.p99_ms for one in late])
    report.add(
        Line(
            "webhooks accepted durably, 6 KB, a second",
            Spread.of(rates["ours"]).shown(whole),
            Spread.of(rates["signature_only"]).shown(whole) + " signature only",
            ratio.shown(percent),
            "≥ 55 %",
            ratio.median >= 0.55,
        )
    )
    shown = f"p99 {p99.shown(lambda ms: f'{ms:.0f}')} ms, p50 {p50.median:.0f} ms"
    report.add(Line(f"the same at half of it, {whole(half)}/s", shown, "", "", "p99 < 50 ms", p99.median < 50))
    _memory(report, "gateway", webhooks.memory(doors))
    system.stop(doors.ours, doors.signature_only)
    await system.purge()


async def reserve(system: System, size: Size, report: Report) -> None:
    """Part (b): one stage of the chain."""
    orders = stage.matched_orders(size.orders)
    ours: list[stage.Round] = []
    usual: list[stage.Round] = []
    for number in range(size.rounds):
        for name, contestant, found, backlog in (
            ("ours", stage.OURS, ours, orders),
            ("the usual handler", stage.USUAL, usual, orders[: size.usual_orders]),
        ):
            console.print(f"stage, round {number + 1} of {size.rounds}: {name} …", highlight=False)
            found.append(await stage.run_round(system, contestant, backlog))
            report.keep(f"stage {name}", found[-1])
    rate, baseline = Spread.of([one.per_second for one in ours]), Spread.of([one.per_second for one in usual])
    ratio = Spread.of([one.per_second / other.per_second for one, other in zip(ours, usual, strict=True)])
    what = "orders of 3 lines reserved a second, one process"
    report.add(
        Line(what, rate.shown(whole), baseline.shown(whole) + " usual handler", "", "≥ 5,000", rate.median >= 5000)
    )
    report.add(Line("the same, against the usual handler", "", "", ratio.shown(times), "≥ 12 ×", ratio.median >= 12))
    _memory(report, "inventory", max(one.memory_mb for one in ours))


def _memory(report: Report, service: str, megabytes: float) -> None:
    shown = f"{megabytes:.0f} MB"
    report.add(Line(f"memory of {service}, at most", shown, "", "", "≤ 150 MB", megabytes <= 150))


async def measure(system: System, mode: str, parts: list[str]) -> Report:
    """Run the parts; returns what they found."""
    async with system.sql() as sql:
        postgres = await sql.fetchval("SELECT 'Postgres ' || split_part(current_setting('server_version'), ' ', 1)")
        kept = await sql.fetchval("SELECT current_setting('fsync') || current_setting('synchronous_commit')")
    if kept != "onon":
        raise Wrong("the benchmark's Postgres must keep what it commits: fsync and synchronous_commit are not on")
    servers = f"{postgres}, RabbitMQ {system.broker_version()}"
    report = Report(facts(mode, servers, fsync_milliseconds(system.stack.run_dir)))
    for name, part in (("gateway", gateway), ("stage", reserve)):
        if name in parts:
            await part(system, SIZES[mode], report)
    return report


def main() -> int:
    """Read the command line, measure, print, write `results/latest.json`."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="comma-separated: " + ", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, proves no figure")
    parser.add_argument("--output", type=Path, default=LATEST, help="where the figures go (JSON)")
    given = parser.parse_args()
    parts = given.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with running_system(lambda sentence: console.print(sentence, highlight=False)) as system:
            report = asyncio.run(measure(system, "quick" if given.quick else "full", parts))
    except (Wrong, StartFailed, PackagesUnavailable, TimeoutError) as problem:
        print(f"The benchmark broke off: {problem}", file=sys.stderr)
        return 1
    report.write(given.output)
    report.show(console)
    console.print(f"All figures: {given.output}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
