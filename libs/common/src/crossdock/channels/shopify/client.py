"""Shopify's Admin GraphQL API over HTTP: one call, three layers of failure, all of them typed.

Guards: a mutation that may have been performed raises Unknown and nothing softer; what certainly was not is Retryable.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossdock.channels import http
from crossdock.channels.errors import AuthExpired, Permanent, RateLimited, Retryable, Unknown
from crossdock.channels.protocols import ChannelAccess
from crossdock.channels.shopify import budget
from crossdock.channels.shopify.budget import Bucket, Purpose
from crossdock.channels.shopify.documents import is_mutation, operations

API_VERSION = "2026-10"
"""Latest stable; supported until at least October 2027. Our documents are also valid on 2026-04 and 2026-07."""

WHO = "Shopify"
_STOPPED = {402: "the shop is frozen", 423: "the shop is locked", 430: "Shopify judged the request malicious"}
_FIRST_COST = 50.0
"""What an operation is taken to cost until a reply has told (most of ours ask for less than this)."""


@dataclass
class ShopState:
    """What this process has learnt of one shop: its bucket, what operations cost, and the version that answers."""

    bucket: Bucket | None = None
    costs: dict[str, float] = field(default_factory=dict)
    served_version: str = ""
    version_note: str = ""


class ShopifyClient:
    """Executes our documents against any shop and keeps what the replies teach."""

    def __init__(self) -> None:
        self._shops: dict[str, ShopState] = {}

    def state(self, access: ChannelAccess) -> ShopState:
        """What was learnt of the shop of this access."""
        return self._shops.setdefault(access.base_url, ShopState())

    async def execute(
        self, access: ChannelAccess, operation: str, variables: Mapping[str, Any], purpose: Purpose
    ) -> Mapping[str, Any]:
        """Run one of our operations and return its `data`. Raises ChannelError, typed as in this module's sentence.

        Raises RateLimited without sending anything when the budget is kept for what matters more.
        """
        shop = self.state(access)
        cost = shop.costs.get(operation, _FIRST_COST)
        now = time.monotonic()
        wait = budget.seconds_to_wait(shop.bucket, purpose, cost, now)
        if wait > 0:
            raise RateLimited(f"the rate budget of this shop is kept for more urgent calls than {operation}", wait)
        shop.bucket = budget.spend(shop.bucket, cost, now)
        write = is_mutation(operation)
        version = asked_version(access)
        answer = await http.call(
            access,
            "POST",
            f"/admin/api/{version}/graphql.json",
            headers={"x-shopify-access-token": access.token},
            body={"query": operations()[operation], "operationName": operation, "variables": dict(variables)},
            write=write,
            who=WHO,
        )
        payload = answer.json()
        self._learn(shop, operation, answer.headers, version, payload)
        _raise_for_status(answer, write)
        if not isinstance(payload, Mapping):
            sentence = f"Shopify answered {operation} with something else than JSON"
            raise Unknown(f"{sentence}: it may have happened") if write else Retryable(sentence)
        _raise_for_errors(payload, operation, write)
        _raise_for_search(payload, operation)
        data = payload.get("data")
        if not isinstance(data, Mapping):
            sentence = f"Shopify answered {operation} without data"
            raise Unknown(f"{sentence}: it may have happened") if write else Retryable(sentence)
        return data

    @staticmethod
    def _learn(shop: ShopState, operation: str, headers: Mapping[str, str], version: str, payload: Any) -> None:
        served = headers.get("x-shopify-api-version", "")
        shop.served_version = served[:20]
        other = served and served != version
        shop.version_note = f"Shopify answered with API version {served[:20]} instead of {version}" if other else ""
        cost = throttle_of(payload)
        if isinstance(cost.get("requestedQueryCost"), int | float):
            shop.costs[operation] = float(cost["requestedQueryCost"])
        status = cost.get("throttleStatus")
        if isinstance(status, Mapping):
            shop.bucket = budget.learn(shop.bucket, status, time.monotonic())


def asked_version(access: ChannelAccess) -> str:
    """The API version that a channel asks for: ours, unless its setting `api_version` says otherwise."""
    return str(access.settings.get("api_version", API_VERSION))


def throttle_of(payload: Any) -> Mapping[str, Any]:
    """`extensions.cost` of a reply, or an empty object."""
    extensions = payload.get("extensions") if isinstance(payload, Mapping) else None
    cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
    return cost if isinstance(cost, Mapping) else {}


def _raise_for_status(answer: http.Answer, write: bool) -> None:
    if answer.status == 401:
        raise AuthExpired("Shopify does not accept the access token: renew it or install the app again")
    if answer.status in _STOPPED:
        raise Permanent(f"{_STOPPED[answer.status]} (HTTP {answer.status}): ask the merchant", f"http_{answer.status}")
    http.raise_for_server_trouble(answer, write=write, who=WHO)
    if answer.status == 404:
        raise Permanent("Shopify does not know this shop or API version: check the channel's base URL", "http_404")
    if answer.status != 200:
        raise Permanent(f"Shopify refused the request with HTTP {answer.status}", f"http_{answer.status}")


def _raise_for_errors(payload: Mapping[str, Any], operation: str, write: bool) -> None:
    """The second layer: top-level `errors`, which come with HTTP 200 and sometimes beside partial data."""
    errors = payload.get("errors")
    if not errors:
        return
    code, message = _first_error(errors)
    if code == "THROTTLED":
        raise RateLimited("Shopify's rate limit is reached", _throttled_for(throttle_of(payload)))
    if code == "INTERNAL_SERVER_ERROR" or (write and code == "TIMEOUT"):
        sentence = f"Shopify failed inside while it answered {operation}"
        raise Unknown(f"{sentence}: it may have happened") if write else Retryable(sentence)
    if code == "ACCESS_DENIED":
        raise Permanent(f"the app lacks a scope that {operation} needs: {message}", code)
    raise Permanent(f"Shopify refused {operation}: {message}", code or "graphql_error")


def _raise_for_search(payload: Mapping[str, Any], operation: str) -> None:
    """An unknown search filter is no error to Shopify: it is dropped, everything matches, and a warning stands here."""
    extensions = payload.get("extensions")
    searches = extensions.get("search") if isinstance(extensions, Mapping) else None
    if any(isinstance(one, Mapping) and one.get("warnings") for one in searches or ()):
        raise Permanent(f"Shopify ignored a filter of {operation}, so its answer holds too much", "search_warning")


def _first_error(errors: Any) -> tuple[str, str]:
    """The code and message of the error that decides: a throttle before anything else."""
    if isinstance(errors, str):
        return "", errors[:200]
    found: list[tuple[str, str]] = []
    for one in errors if isinstance(errors, list) else ():
        if isinstance(one, Mapping):
            extensions = one.get("extensions")
            code = extensions.get("code") if isinstance(extensions, Mapping) else None
            found.append((str(code or ""), str(one.get("message", ""))[:200]))
    if not found:
        return "", "with an error that names no reason"
    return next((one for one in found if one[0] == "THROTTLED"), found[0])


def _throttled_for(cost: Mapping[str, Any]) -> float:
    """Seconds until the bucket holds what was asked, at least one: (requested - available) / restore rate."""
    try:
        status = cost["throttleStatus"]
        missing = float(cost["requestedQueryCost"]) - float(status["currentlyAvailable"])
        return min(max(1.0, missing / float(status["restoreRate"])), 300.0)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 2.0


def raise_for_user_errors(result: Any, operation: str) -> Mapping[str, Any]:
    """The third layer: the mutation's own `userErrors`; returns the result when there are none.

    Raises Permanent, with the vendor's code where the mutation has one; nothing was done then.
    """
    if not isinstance(result, Mapping):
        raise Unknown(f"Shopify answered {operation} without a result: it may have happened")
    for errors in (result.get("userErrors"), result.get("orderCancelUserErrors")):
        for one in errors or ():
            code = str(one.get("code") or "user_error")
            raise Permanent(f"Shopify refused {operation}: {str(one.get('message', ''))[:200]}", code)
    return result
