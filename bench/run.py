"""Measure Crossdock against the usual ways, on private durable servers, in one run; `make bench` runs it.

Exit status 1 means that a contestant did not do its work; a budget that is missed is shown, and is no failure.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import chain
import lasting
import stage
import webhooks
from report import Line, Report, Spread, facts, percent, times, whole
from rich.console import Console
from system import System, Wrong, fsync_milliseconds, running_system

from crossdock.local.packages import PackagesUnavailable
from crossdock.local.processes import StartFailed

LATEST = Path(__file__).with_name("results") / "latest.json"


@dataclass(frozen=True, slots=True)
class Size:
    """How long a run is: rounds, seconds of each load on the gateway and on the chain, orders of each backlog, orders
    stored beforehand, messages over which memory is watched."""

    rounds: int
    seconds: float
    orders: int
    usual_orders: int
    flow_seconds: float
    stored: int
    messages: int


SIZES = {
    "full": Size(3, 5.0, 30_000, 1_500, 15.0, 5_000_000, 1_000_000),
    "quick": Size(1, 1.0, 2_000, 200, 3.0, 2_000, 10_000),
}
RATES = (100, 200, 300)
HIGHER_RATES = (400, 500, 600, 800, 1000)

console = Console(width=None if sys.stdout.isatty() else 120)


async def gateway(system: System, size: Size, report: Report) -> None:
    """Part (a): the door."""
    doors = await webhooks.open_doors(system)
    rates: dict[str, list[float]] = {name: [] for name in doors.ports}
    for number in range(size.rounds):
        for name, found in rates.items():
            console.print(f"gateway, round {number + 1} of {size.rounds}: {name} …", highlight=False)
            told = await webhooks.run_round(system, doors, name, size.seconds)
            report.keep(f"gateway {name}", told)
            found.append(told.per_second)
    ours = rates.pop(webhooks.OURS)
    half = Spread.of(ours).median / 2
    late = []
    for number in range(size.rounds):
        console.print(f"gateway, latency {number + 1} of {size.rounds}: {half:,.0f}/s …", highlight=False)
        told = await webhooks.run_round(system, doors, webhooks.OURS, size.seconds, rate=half)
        report.keep("gateway ours at half", told)
        late.append(told)
    for name, theirs in rates.items():
        against = f"{Spread.of(theirs).shown(whole)} {name}"
        ratio = _ratio(ours, theirs)
        checked = name == "signature-only"
        what = "webhooks accepted durably, 6 KB, a second"
        budget, met = ("≥ 55 %", ratio.median >= 0.55) if checked else ("", None)
        report.add(Line(what, Spread.of(ours).shown(whole), against, ratio.shown(percent), budget, met))
    p50, p99 = Spread.of([one.p50_ms for one in late]), Spread.of([one.p99_ms for one in late])
    shown = f"p99 {p99.shown(whole)} ms, p50 {p50.median:.0f} ms"
    report.add(Line(f"the same at half of it, {whole(half)}/s", shown, "", "", "p99 < 50 ms", p99.median < 50))
    _memory(report, "gateway", webhooks.memory(doors))
    system.stop(*doors.children.values())
    await system.purge()


async def reserve(system: System, size: Size, report: Report) -> None:
    """Part (b): one stage of the chain."""
    orders = stage.matched_orders(size.orders)
    found: dict[str, list[stage.Round]] = {}
    for number in range(size.rounds):
        for name, contestant in {"ours": stage.OURS, **stage.USUAL}.items():
            console.print(f"stage, round {number + 1} of {size.rounds}: {name} …", highlight=False)
            backlog = orders if contestant is stage.OURS else orders[: size.usual_orders]
            found.setdefault(name, []).append(await stage.run_round(system, contestant, backlog))
            report.keep(f"stage {name}", found[name][-1])
    ours = found.pop("ours")
    rates = [one.per_second for one in ours]
    rate, what = Spread.of(rates), "orders of 3 lines reserved a second, one process"
    report.add(Line(what, rate.shown(whole), "", "", "≥ 5,000", rate.median >= 5000))
    for name, theirs in found.items():
        baseline = [one.per_second for one in theirs]
        ratio = _ratio(rates, baseline)
        against = f"{Spread.of(baseline).shown(whole)} {name}"
        report.add(Line("the same", "", against, ratio.shown(times), "≥ 12 ×", ratio.median >= 12))
    _memory(report, "inventory", max(one.memory_mb for one in ours))


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Round by round, so that what disturbed one round disturbed both."""
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])


async def flow(system: System, size: Size, report: Report) -> None:
    """Part (c): the whole chain."""
    hub = await chain.open_hub(system)
    await chain.warm_up(system, hub)
    sustained = 0.0
    for rate in RATES + HIGHER_RATES:
        console.print(f"chain: {rate} orders/s …", highlight=False)
        told = await chain.run_round(system, hub, rate, size.flow_seconds)
        report.keep(f"chain at {rate} a second", told)
        if rate in RATES:
            shown = f"p50 {told.p50_ms:.0f}, p95 {told.p95_ms:.0f}, p99 {told.p99_ms:.0f} ms"
            budget, met = (
                ("p50 < 40, p99 < 200 ms", told.p50_ms < 40 and told.p99_ms < 200) if rate == 100 else ("", None)
            )
            report.add(Line(f"webhook to fulfillment requested at {rate}/s", shown, "", "", budget, met))
        if not told.sustained:
            break
        sustained = rate
    report.add(Line("the most orders a second sustained", whole(sustained), "", "", "≥ 300", sustained >= 300))
    for service, megabytes in chain.memory(hub).items():
        _memory(report, f"{service} in the chain", megabytes)
    system.stop(*hub.children)
    await system.purge()


async def growth(system: System, size: Size, report: Report) -> None:
    """Part (d): the chain with years of orders stored, against the same chain with none."""
    hub = await chain.open_hub(system)
    await chain.warm_up(system, hub)
    empty, full = [], []
    async for one in lasting.throughput(system, hub):
        empty.append(one)
        console.print(f"growth: {one.per_second:.0f} a second with no orders stored", highlight=False)
    console.print(f"growth: storing {size.stored:,} orders …", highlight=False)
    await lasting.store(system, hub, size.stored)
    async for one in lasting.throughput(system, hub):
        full.append(one)
        console.print(f"growth: {one.per_second:.0f} a second with them stored", highlight=False)
    for name, told in (("none", empty), (f"{size.stored:,}", full)):
        for one in told:
            report.keep(f"chain with {name} stored", one)
    without, within = Spread.of([one.per_second for one in empty]), Spread.of([one.per_second for one in full])
    ratio = within.median / without.median
    against = f"{without.shown(whole)} with none"
    what = f"orders a second through the chain, {size.stored:,} stored"
    report.add(Line(what, within.shown(whole), against, percent(ratio), "≥ 90 %", ratio >= 0.9))
    system.stop(*hub.children)
    await system.purge()


async def memory(system: System, size: Size, report: Report) -> None:
    """Part (e): what each process weighs over many messages."""
    hub = await chain.open_hub(system)
    await chain.warm_up(system, hub)
    told = []
    async for one in lasting.weigh(system, hub, size.messages):
        told.append(one)
        report.weights.append(asdict(one))
        console.print(f"memory: {one.messages:,} messages: {one.megabytes}", highlight=False)
    for name in hub.services:
        first, last = told[0].megabytes[name], told[-1].megabytes[name]
        shown = f"{last:.0f} MB after {told[-1].messages:,} messages"
        against = f"{first:.0f} MB after {told[0].messages:,}"
        flat = last <= 150 and last <= 1.05 * first
        report.add(Line(f"memory of {name}", shown, against, percent(last / first), "≤ 150 MB, flat", flat))
    system.stop(*hub.children)
    await system.purge()


def _memory(report: Report, service: str, megabytes: float) -> None:
    shown = f"{megabytes:.0f} MB"
    report.add(Line(f"memory of {service}, at most", shown, "", "", "≤ 150 MB", megabytes <= 150))


PARTS = {"gateway": gateway, "stage": reserve, "chain": flow, "growth": growth, "memory": memory}
USUALLY = ("gateway", "stage", "chain")
"""What a run measures unless told otherwise; the other two take most of an hour."""


async def measure(system: System, mode: str, size: Size, parts: Sequence[str], output: Path) -> Report:
    """Run the parts in the order given; writes what they found after each."""
    async with system.sql() as sql:
        postgres = await sql.fetchval("SELECT 'Postgres ' || split_part(current_setting('server_version'), ' ', 1)")
        kept = await sql.fetchval("SELECT current_setting('fsync') || current_setting('synchronous_commit')")
    if kept != "onon":
        raise Wrong("the benchmark's Postgres must keep what it commits: fsync and synchronous_commit are not on")
    servers = f"{postgres}, RabbitMQ {system.broker_version()}"
    report = Report(facts(mode, servers, fsync_milliseconds(system.stack.run_dir)))
    for name in parts:
        await PARTS[name](system, size, report)
        report.write(output)
    return report


def main() -> int:
    """Read the command line, measure, print, write `results/latest.json`."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", default=",".join(USUALLY), help="comma-separated: " + ", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, proves no figure")
    parser.add_argument("--output", type=Path, default=LATEST, help="where the figures go (JSON)")
    parser.add_argument("--stored", type=int, help="orders stored for the part `growth` (5,000,000)")
    parser.add_argument("--messages", type=int, help="messages for the part `memory` (1,000,000)")
    parser.add_argument("--rounds", type=int, help="how often each contestant has its turn (3; 1 in a quick run)")
    given = parser.parse_args()
    parts = given.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with running_system(lambda sentence: console.print(sentence, highlight=False)) as system:
            mode = "quick" if given.quick else "full"
            chosen = {name: getattr(given, name) for name in ("rounds", "stored", "messages")}
            size = replace(SIZES[mode], **{name: value for name, value in chosen.items() if value is not None})
            report = asyncio.run(measure(system, mode, size, parts, given.output))
    except (Wrong, StartFailed, PackagesUnavailable, TimeoutError) as problem:
        print(f"The benchmark broke off: {problem}", file=sys.stderr)
        return 1
    report.show(console)
    console.print(f"All figures: {given.output}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
