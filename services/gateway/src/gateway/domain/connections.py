"""When tokens are renewed and for how long they are handed out, and what a check of a channel says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

RENEWABLE = ("client_credentials", "approval")
"""Ways to access whose tokens end, and which the gateway renews; a pasted `token` is replaced by a person."""

EARLY = timedelta(minutes=10)
MARGIN = timedelta(seconds=15)
LONGEST_PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class Connection:
    """How a channel is connected. `generation` rises whenever access was granted anew, `renewals` with each new token;
    `ended` says why a person has to grant access again."""

    channel_id: UUID
    access_by: str
    client_id: str
    generation: int
    authorized_at: datetime
    scopes: tuple[str, ...]
    renewals: int
    renewed_at: datetime | None
    renewal_due_at: datetime | None
    renewal_failures: int
    renewal_problem: str
    ended: str
    check_due_at: datetime | None
    checked_at: datetime | None
    report: Mapping[str, Any]
    repairs: Sequence[Mapping[str, Any]]
    uninstall_told_at: datetime | None

    @property
    def renewable(self) -> bool:
        """Whether the gateway may get a new token by itself."""
        return self.access_by in RENEWABLE and not self.ended


@dataclass(frozen=True, slots=True)
class Token:
    """A stored access token in clear, and its life; no end, no `expires_at`."""

    text: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime | None


def good_for(token: Token, now: datetime, longest: float) -> float:
    """For how many seconds a token may be kept by who asks for it: up to `longest`, and never into the last quarter
    minute of its life (of short lives, the last quarter). 0: it must be renewed first."""
    if token.expires_at is None:
        return longest
    margin = min(MARGIN, (token.expires_at - token.issued_at) / 4)
    left = (token.expires_at - margin - now).total_seconds()
    return min(longest, max(0.0, left))


def renewal_due(now: datetime, seconds: float) -> datetime:
    """When to renew a token that is good for so long: ten minutes before its end, of short lives after two thirds."""
    return now + timedelta(seconds=seconds) - min(EARLY, timedelta(seconds=seconds / 3))


def pause_after(failures: int, told: float = 0.0) -> float:
    """Seconds until a renewal that failed so often in a row is tried again."""
    return min(max(told, 2.0 ** (1 + min(failures, 10))), LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a check looked at: what, whether it is as it should be, and what was found."""

    what: str
    ok: bool
    says: str


@dataclass(frozen=True, slots=True)
class Missing:
    """An access scope that was not granted (one of several would do), and what does not work without it."""

    any_of: tuple[str, ...]
    without: str
    essential: bool


def scopes_step(missing: Sequence[Missing]) -> Step:
    """What the granted scopes allow, in one sentence that names each missing one with what does not work."""
    if not missing:
        return Step("scopes", True, "Every access scope that the channel needs is granted")
    told = "; ".join(f"without {' or '.join(one.any_of)}, {one.without}" for one in missing)
    essential = any(one.essential for one in missing)
    return Step(
        "scopes", not essential, f"{'Access scopes are missing' if essential else 'Allowed to do less'}: {told}"
    )


def version_step(asked: str, served: str) -> Step:
    """Whether the channel answers in the version that was asked for."""
    if asked == served:
        return Step("version", True, f"API version {asked} answers")
    said = f"API version {asked} is no longer served, {served} answers instead: update Crossdock"
    return Step("version", False, said)


def account_step(shop: str | None, account: str) -> Step:
    """Whether the shop that answers is the one that was connected."""
    if shop is None or account == shop:
        return Step("account", True, f"{account} answers")
    return Step("account", False, f"{account} answers at this address, not {shop}: correct base_url or the token")


def webhooks_step(wanted: Sequence[str], missing: Sequence[str], repaired: Sequence[str], problem: str = "") -> Step:
    """Whether every topic is subscribed to, what was done about it, and what stood in the way."""
    done = f"; subscribed anew to {', '.join(repaired)}" if repaired else ""
    if not missing:
        return Step("webhooks", True, f"{len(wanted)} topics are subscribed to{done}")
    why = f": {problem}" if problem else ""
    return Step("webhooks", False, f"Not subscribed to {', '.join(missing)}{why}{done}")


def service_step(name: str, there: bool, ours: bool) -> Step:
    """Whether our fulfillment service is registered and calls us."""
    if there and ours:
        return Step("service", True, f"The fulfillment service {name} is registered")
    what = "calls another address than ours" if there else "is not registered"
    return Step("service", False, f"The fulfillment service {name} {what}: `crossdock channel service register`")


def report_of(at: datetime, steps: Sequence[Step], **facts: Any) -> dict[str, Any]:
    """What is kept and shown of a check."""
    told = [{"what": step.what, "ok": step.ok, "says": step.says} for step in steps]
    return {"at": at.isoformat(), "ok": all(step.ok for step in steps), "steps": told, **facts}


def problems_of(connection: Connection) -> list[str]:
    """What a person should know of a connection, a sentence each; empty when all is well."""
    found = [connection.ended] if connection.ended else []
    if connection.renewal_problem and not connection.ended:
        found.append(f"The access token could not be renewed yet: {connection.renewal_problem}")
    if connection.uninstall_told_at is not None:
        found.append("The shop told that the app was uninstalled; this is being confirmed")
    found += [str(step["says"]) for step in connection.report.get("steps", ()) if not step["ok"]]
    return list(dict.fromkeys(found))


def repairs_after(
    repairs: Sequence[Mapping[str, Any]], at: datetime, topics: Sequence[str], kept: int = 20
) -> list[Mapping[str, Any]]:
    """The newest repairs first, one more when topics were subscribed to again."""
    newest = [{"at": at.isoformat(), "topics": list(topics)}] if topics else []
    return [*newest, *repairs][:kept]
