"""The world outside the hub: the shop that sells, and the 3PL's book of one order, which the real calls act upon."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from protocol.shapes import NOON, Shape, Vec, minus, moment, order_id, plus

from crossdock.channels.model import NoticePackage, NoticePackageLine, ShipNotice
from crossdock.channels.protocols import RequestAnswer, RequestLine, ShipRequest
from crossdock.channels.shopify import quantities
from crossdock.channels.shopify.quantities import LineCounts, RefundedUnits, ShippedUnits
from order_ingest.domain.order import Arrival, Line, Refund, Snapshot


# ------------------------------------------------------------------ the shop
class Shop(NamedTuple):
    """One order as its shop knows it. `refunds` are the line vectors of shipped units that came back; `moves` is how
    often its address changed, and names the address."""

    wanted: Vec
    updated_at: int = 0
    paid: bool = False
    cancelled: bool = False
    exists: bool = False
    refunds: tuple[Vec, ...] = ()
    redacted: bool = False
    moves: int = 0


def recipient_at(number: int) -> dict[str, Any]:
    """The recipient at one of the addresses of a world."""
    return {"email": "test@example.com", "address": {"street": (str(number),)}}


def reading(shape: Shape, shop: Shop, shipped: Vec) -> Arrival:
    """What a connector reads of the order now; `shipped` is what the shop was told to have left."""
    snapshot = Snapshot(
        updated_at=moment(shop.updated_at),
        number="#1",
        placed_at=NOON,
        paid=shop.paid,
        cancelled=shop.cancelled,
        test=False,
        addressed=not shop.redacted,
        total=Decimal(1),
        currency="EUR",
        lines=tuple(_line(n, line.sku, _kept(shop, shipped, n - 1)) for n, line in enumerate(shape.lines, 1)),
    )
    refunds = tuple(
        Refund(str(n), tuple((line, units, True) for line, units in shape.named(back).items()))
        for n, back in enumerate(shop.refunds, 1)
    )
    return Arrival(snapshot, {}, refunds, {} if shop.redacted else recipient_at(shop.moves))


def _line(number: int, sku: str, kept: int) -> Line:
    name, price, nothing = str(number), Decimal(1), Decimal(0)
    return Line(name, number, name, sku, "", 9, kept, True, price, nothing, nothing)


def _kept(shop: Shop, shipped: Vec, line: int) -> int:
    """What is left of a line, as the connector for Shopify reads it."""
    returned = [(str(n), back[line]) for n, back in enumerate(shop.refunds) if back[line]]
    refunds = [RefundedUnits(n, "", units, "return", None) for n, units in returned]
    counts = LineCounts(shop.wanted[line], None, None, "")
    return quantities.settle_line(counts, refunds, [ShippedUnits("", shipped[line], True, None)]).kept


# ------------------------------------------------------------------ the 3PL
class Job(NamedTuple):
    """A revision as the 3PL sees it. `refused`: asked to stop, it said no, and nothing came back since. `odd`: it was
    asked for parts that do not make whole units of the line. `address`: where it ships to."""

    units: Vec
    shipped: Vec
    cancelled: Vec
    state: str = "accepted"
    refused: bool = False
    odd: bool = False
    address: str = ""

    @property
    def left(self) -> Vec:
        """What may still be shipped."""
        return minus(minus(self.units, self.shipped), self.cancelled)


class Parcel(NamedTuple):
    """What left together, and when."""

    revision: int
    units: Vec
    tick: int
    voided: bool = False


@dataclass(frozen=True, slots=True)
class Book:
    """The 3PL's book of one order: jobs by revision, and parcels in the order in which they left."""

    shape: Shape
    index: int
    jobs: tuple[tuple[int, Job], ...] = ()
    parcels: tuple[Parcel, ...] = ()

    @property
    def outstanding(self) -> Vec:
        """What will yet leave, by line."""
        return self.shape.total(job.left for _, job in self.jobs if job.state == "accepted")

    @property
    def left_house(self) -> Vec:
        """What left and did not come back, by line."""
        return self.shape.total(job.shipped for _, job in self.jobs)

    def with_job(self, revision: int, job: Job) -> "Book":
        """The book with one job entered."""
        jobs = dict(self.jobs) | {revision: job}
        return Book(self.shape, self.index, tuple(sorted(jobs.items())), self.parcels)

    def ship(self, revision: int, units: Vec, tick: int) -> "Book":
        """Units leave."""
        job = dict(self.jobs)[revision]
        book = self.with_job(revision, job._replace(shipped=plus(job.shipped, units)))
        return Book(self.shape, self.index, book.jobs, (*self.parcels, Parcel(revision, units, tick)))

    def void(self, number: int, reship: bool) -> "Book":
        """A parcel comes back; its units are shipped again only under an open job, and only if `reship`."""
        parcel = self.parcels[number]
        job = dict(self.jobs)[parcel.revision]
        job = job._replace(shipped=minus(job.shipped, parcel.units), refused=False)
        if not reship:
            job = job._replace(cancelled=plus(job.cancelled, parcel.units))
        parcels = (*self.parcels[:number], parcel._replace(voided=True), *self.parcels[number + 1 :])
        return Book(self.shape, self.index, self.with_job(parcel.revision, job).jobs, parcels)

    def give_up(self, revision: int) -> "Book":
        """The 3PL stops what has not left."""
        job = dict(self.jobs)[revision]
        stopped = job._replace(state="cancelled", cancelled=plus(job.cancelled, job.left))
        return self.with_job(revision, stopped)

    def notice(self, kind: str, revision: int, tick: int, parcel: int | None = None, **more: Any) -> ShipNotice:
        """What the 3PL tells of a job, or of one of its parcels."""
        packages: tuple[NoticePackage, ...] = ()
        if kind == "dispatched" and parcel is not None:
            lines = tuple(NoticePackageLine(*line) for line in self._lines(self.parcels[parcel].units))
            packages = (NoticePackage("1", "", "", "", lines),)
        name = "" if parcel is None else f"S{parcel + 1}"
        reference = f"{order_id(self.index)}:{revision}"
        return ShipNotice(kind, reference, f"R{revision}", moment(tick), name, packages, **more)

    def stopped(self, revision: int) -> tuple[NoticePackageLine, ...]:
        """What was stopped of a job in all, as a notice tells it."""
        return tuple(NoticePackageLine(*line) for line in self._lines(dict(self.jobs)[revision].cancelled))

    def answer(self, revision: int, state: str) -> RequestAnswer:
        """A job as the API shows it."""
        lines = tuple(RequestLine(*line) for line in self._lines(dict(self.jobs)[revision].cancelled))
        return RequestAnswer(state, f"R{revision}", "no" if state in ("rejected", "refused") else "", lines)

    def _lines(self, units: Vec) -> list[tuple[str, str, int]]:
        named = zip(range(1, len(units) + 1), self.shape.lines, units, strict=True)
        return [(str(n), sku, count * per) for n, line, count in named if count for sku, per in line.parts]


class Depot:
    """The 3PL as the hub's dispatcher calls it; `willing` says whether it takes what it is asked."""

    def __init__(self, book: Book, willing: bool = True) -> None:
        self.book = book
        self._willing = willing

    async def submit(self, access: Any, request: ShipRequest) -> RequestAnswer:
        """Take a request, or reject it."""
        revision, shape = _revision_of(request.reference), self.book.shape
        units, odd = _units_asked(shape, request.lines)
        state = "accepted" if self._willing else "rejected"
        job = Job(units, shape.zero, shape.zero, state, odd=odd, address=request.recipient["address"])
        self.book = self.book.with_job(revision, job)
        return self.book.answer(revision, state)

    async def cancel(self, access: Any, external_id: str, reference: str) -> RequestAnswer:
        """Stop all that has not left under this revision, or nothing."""
        revision = _revision_of(reference)
        job = dict(self.book.jobs).get(revision)
        if job is None:
            return RequestAnswer("refused", "", "unknown")
        if job.state == "cancelled":
            return self.book.answer(revision, "cancelled")
        if not self._willing or not any(job.left) or job.state == "rejected":
            self.book = self.book.with_job(revision, job._replace(refused=True))
            return self.book.answer(revision, "refused")
        self.book = self.book.give_up(revision)
        return self.book.answer(revision, "cancelled")

    async def status(self, access: Any, reference: str) -> RequestAnswer | None:
        """How a request stands."""
        revision = _revision_of(reference)
        job = dict(self.book.jobs).get(revision)
        return None if job is None else self.book.answer(revision, job.state)


def _revision_of(reference: str) -> int:
    return int(reference.rpartition(":")[2])


def _units_asked(shape: Shape, lines: tuple[RequestLine, ...]) -> tuple[Vec, bool]:
    """The whole units of each line that these parts make, and whether anything is left over or lacks."""
    asked: dict[str, dict[str, int]] = {}
    for one in lines:
        parts = asked.setdefault(one.line_id, {})
        parts[one.sku] = parts.get(one.sku, 0) + one.quantity
    found, odd = {}, False
    for number, line in enumerate(shape.lines, 1):
        parts = asked.pop(str(number), {})
        whole = min(parts.get(sku, 0) // per_unit for sku, per_unit in line.parts)
        found[str(number)] = whole
        odd = odd or parts != {sku: whole * per_unit for sku, per_unit in line.parts if whole}
    return shape.vec(found), odd or bool(asked)
