"""Calls every operation of an OpenAPI description with values good and bad, and holds each reply against it.

Guards: no reply is a 5xx, has a status or media type that the description does not name, or breaks its schema.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Err
from schemathesis.generation import GenerationMode

from crossdock.service import tokens

SKIPPED = ("unsupported_method", "use_after_free", "ensure_resource_availability", "positive_data_acceptance")
"""Checks that need a story over several calls, or that take every 404 for a fault."""

OPEN_TO_ALL = ("/healthz", "/readyz", "/metrics")


@dataclass(frozen=True, slots=True)
class Api:
    """An API at work: where, what it says of itself, who calls it, and real values of its parameters by name."""

    name: str
    url: str
    description: Mapping[str, Any]
    headers: Callable[[], dict[str, str]]
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def operations(self) -> Iterator[tuple[str, Any]]:
        """Every operation, by method and path."""
        loaded = schemathesis.openapi.from_dict(dict(self.description))
        loaded.config.update(base_url=self.url)
        for result in loaded.get_all_operations():
            if isinstance(result, Err):
                raise result.err()
            operation = result.ok()
            yield f"{operation.method.upper()} {operation.path}", operation


def apis_of(urls: Mapping[str, str], api_key: str, service_key: str) -> dict[str, Api]:
    """The APIs of running services by name, called as another service does, the gateway's as people do; and what the
    gateway lets people reach of the others, as `gateway/inventory`."""
    person = {"authorization": f"Bearer {api_key}"}
    gateway = urls["gateway"]
    found: dict[str, Api] = {}
    for name, url in urls.items():
        description = _read(f"{url}/openapi.json", {})
        if name == "gateway":
            found[name] = Api(name, url, description, lambda: person, _known(url, person, ""))
            continue
        known = _known(gateway, person, name)

        def token(audience: str = name) -> dict[str, str]:
            return {"authorization": f"Bearer {tokens.issue(service_key, issuer='gateway', audience=audience)}"}

        found[name] = Api(name, url, description, token, known)
        through = {
            f"/v1{there}": it for path, it in description["paths"].items() if (there := _as_people_see(name, path))
        }
        found[f"gateway/{name}"] = Api(name, gateway, {**description, "paths": through}, lambda: person, known)
    return found


def _as_people_see(service: str, path: str) -> str | None:
    """A service's path below /v1, or None for one that is for other services alone."""
    if path in (*OPEN_TO_ALL, "/runtime"):
        return None
    return f"/services/{service}{path}" if path.startswith("/parked") else path


def _known(gateway: str, person: dict[str, str], service: str) -> dict[str, list[str]]:
    """Values that exist, by the name of the parameter that takes them."""
    parked = _read(f"{gateway}/v1/services/{service or 'gateway'}/parked", person)
    orders = _read(f"{gateway}/v1/orders", person)["orders"]
    skus = _read(f"{gateway}/v1/skus", person)
    ids = [one["order_id"] for one in orders]
    writes = [one["id"] for state in ("done", "in_doubt", "failed") for one in _writes(gateway, person, state)]
    return {
        "parked_id": [one["id"] for one in parked],
        "order_id": ids,
        "reference": [*ids, *(one["number"] for one in orders)],
        "sku": [one["sku"] for one in skus] or ["SHIRT-M"],
        "write_id": writes,
        "service": [service],
    }


def _writes(gateway: str, person: dict[str, str], state: str) -> Any:
    return _read(f"{gateway}/v1/write-backs?state={state}", person)


def _read(url: str, headers: dict[str, str]) -> Any:
    return httpx.get(url, headers=headers, timeout=10, trust_env=False).raise_for_status().json()


def explore(api: Api, *, examples: int, chance: int = 1) -> tuple[int, list[str]]:
    """Call every operation with so many good and half as many bad requests, chosen by the seed `chance`; returns how
    many requests were sent, and a sentence for each operation of which a reply was wrong."""
    found: list[str] = []
    sent = 0
    with httpx.Client(base_url=api.url, timeout=30, trust_env=False) as client:
        for name, operation in api.operations():
            for mode, number in ((GenerationMode.POSITIVE, examples), (GenerationMode.NEGATIVE, examples // 2)):
                calls = _Calls(api, operation, client)
                try:
                    calls.make(mode, number, chance)
                except (Failure, FailureGroup) as wrong:
                    found.append(f"{name}: {_told(wrong)}")
                sent += calls.sent
    return sent, found


def unguarded(api: Api) -> list[str]:
    """The operations that answer a caller without credentials, or with made-up ones, with anything but 401."""
    found = []
    with httpx.Client(base_url=api.url, timeout=30, trust_env=False) as client:
        for name, operation in api.operations():
            for shown in ({}, {"authorization": "Bearer made-up"}, {"authorization": "Basic eDp5"}):
                path = operation.path.replace("{", "").replace("}", "")
                status = client.request(operation.method, path, json={}, headers=shown).status_code
                if operation.path not in OPEN_TO_ALL and status != 401:
                    found.append(f"{name} answers a stranger {status}")
    return found


class _Calls:
    """The calls of one operation."""

    def __init__(self, api: Api, operation: Any, client: httpx.Client) -> None:
        self.sent = 0
        self._api = api
        self._operation = operation
        self._client = client
        load_all_checks()
        skipped = (*SKIPPED, "not_a_server_error") if operation.path in OPEN_TO_ALL else SKIPPED
        self._without = [CHECKS.get_one(name) for name in skipped]

    def make(self, mode: GenerationMode, number: int, chance: int) -> None:
        """Send `number` requests. Raises Failure or FailureGroup."""
        if mode is GenerationMode.NEGATIVE and not self._can_be_wrong():
            return

        @seed(chance)
        @settings(
            max_examples=number,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=self._operation.as_strategy(generation_mode=mode), pick=st.integers(0, 2**16))
        def call(case: Any, pick: int) -> None:
            if mode is GenerationMode.POSITIVE:
                self._make_real(case, pick)
            self.sent += 1
            case.call_and_validate(headers=self._api.headers(), excluded_checks=self._without)

        try:
            call()
        except Unsatisfiable:  # where any text is good, nothing is bad
            if mode is GenerationMode.POSITIVE:
                raise

    def _make_real(self, case: Any, pick: int) -> None:
        for name in list(case.path_parameters or {}):
            values = self._api.known.get(name, ())
            if values and pick % 4:
                case.path_parameters[name] = values[pick % len(values)]

    def _can_be_wrong(self) -> bool:
        return bool(self._operation.body) or any(True for _ in self._operation.iter_parameters())


def _told(wrong: BaseException) -> str:
    several = wrong.exceptions if isinstance(wrong, FailureGroup) else (wrong,)
    return "; ".join(" ".join(str(one).split()) for one in several)[:1500]
