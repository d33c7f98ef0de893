"""Whatever a payload is turned into, it is answered: nothing is ever raised, and what comes out can be stored."""

import copy
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock.channels.generic import connector as generic
from crossdock.channels.model import CanonicalOrder, Parsed, Unreadable
from crossdock.channels.reading import read_json
from crossdock.channels.shopify import connector as shopify
from crossdock.channels.shopify import mapper

NASTY: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, 0, -1, 1, 2**53 + 1, 2**63, 10**40, 0.1, 1e308, -1e-308, "", " ", "0", "-5", "1e5", "NaN",
        "Infinity", "\0", "\ud800", "a\0b\udfff", "9" * 400, "٣", "2026-13-45", "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59", "gid://shopify/Order/1", [], [[]], [None], {}, {"id": 1}, {"amount": "x"},
        "🚚" * 300,
    ]
)  # fmt: skip
ANY_JSON = st.recursive(
    NASTY | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    if by is REMOVED:
        del holder[path[-1]]
    else:
        holder[path[-1]] = by
    return value


REMOVED = object()


def texts(value: Any) -> Iterator[str]:
    """Every text inside a canonical value."""
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for one in dataclasses.fields(value):
            yield from texts(getattr(value, one.name))
    elif isinstance(value, tuple):
        for inner in value:
            yield from texts(inner)


def storable(value: Any) -> bool:
    """Postgres takes every text: no NUL, no lone surrogate."""
    return all("\0" not in text and text.encode() is not None for text in texts(value))


MUTATED = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MUTATED
@given(data=st.data())
def test_an_order_with_anything_in_any_places_is_answered(
    data: st.DataObject, fixture_bytes: Callable[[str], bytes]
) -> None:
    payload = json.loads(fixture_bytes("order_mixed.json"))
    for _ in range(data.draw(st.integers(1, 4))):
        spots = [path for path in places(payload) if path]
        if not spots:
            break
        by = data.draw(st.just(REMOVED) | ANY_JSON)
        payload = replaced(payload, data.draw(st.sampled_from(spots)), copy.deepcopy(by) if by is not REMOVED else by)
    topic = data.draw(st.sampled_from(["orders/updated", "orders/delete", "orders/edited", "refunds/create"]))
    read = shopify.parse(topic, json.dumps(payload).encode())
    assert read  # several where the payload now looks like a list of refunds
    for found in read:
        check_answer(found)


def check_answer(found: Parsed) -> None:
    """Whatever is read is storable, gives its reason, and adds up."""
    assert storable(found)
    if isinstance(found, Unreadable):
        assert found.reason
    if isinstance(found, CanonicalOrder):
        assert all(0 <= line.kept <= line.quantity for line in found.lines)
        totals = found.totals
        summed = totals.lines - totals.discounts + totals.shipping + totals.tips + totals.duties + totals.difference
        assert totals.total == summed + (0 if totals.taxes_included else totals.tax)


@MUTATED
@given(payload=ANY_JSON)
def test_any_json_is_answered_under_any_topic(payload: Any) -> None:
    body = json.dumps(payload).encode()
    for topic in ("orders/create", "products/update", "products/delete", "orders/delete", "refunds/create"):
        assert all(storable(found) for found in shopify.parse(topic, body))
    for topic in ("shipment.dispatched", "request.cancelled", ""):
        assert all(storable(found) for found in generic.parse(topic, body))


@MUTATED
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered(body: bytes) -> None:
    assert shopify.parse("orders/create", body)
    assert generic.parse("shipment.dispatched", body)


NUMBERS = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.decimals(-(10**18), 10**18, allow_nan=False, allow_infinity=False).map(str),
    st.sampled_from(["0.1", "19.99", "5.0", "1e3", "0.30000000000000004", "123456789012345.678", "9007199254740993.0"]),
)


@MUTATED
@given(data=st.data())
def test_numbers_are_read_exactly_wherever_they_stand_and_however_they_are_written(
    data: st.DataObject, fixture_bytes: Callable[[str], bytes]
) -> None:
    payload = json.loads(fixture_bytes("order_mixed.json"))
    spot = data.draw(st.sampled_from([path for path in places(payload) if path]))
    marked = json.dumps(replaced(payload, spot, "THE NUMBER"))
    body = marked.replace('"THE NUMBER"', data.draw(NUMBERS)).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapper, "read_quickly", read_json)
        exactly = shopify.parse("orders/updated", body)
    assert shopify.parse("orders/updated", body) == exactly
