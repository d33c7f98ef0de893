"""The subset schema against Shopify's own: whatever ours has exists identically there."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    Undefined,
    build_schema,
)

from sandbox.shopify.resolvers import schema

REFERENCE = Path(os.environ.get("CROSSDOCK_REFERENCE", Path(__file__).parents[4] / "shared"))
PUBLISHED = REFERENCE / "shopify" / "admin_schema_2026-10.graphql"


def typed(things: Mapping[str, Any]) -> dict[str, str]:
    """Arguments or input fields as text: name to type and default."""
    return {
        name: f"{one.type}" + ("" if one.default_value is Undefined else f" = {one.default_value!r}")
        for name, one in things.items()
    }


def differences(ours: GraphQLSchema, theirs: GraphQLSchema) -> list[str]:
    """What ours has and theirs has not, or has otherwise."""
    found: list[str] = []
    for name, kind in ours.type_map.items():
        other = theirs.type_map.get(name)
        if name.startswith("__"):
            continue
        if other is None or type(other) is not type(kind):
            found.append(f"{name}: not the same kind of type there")
        elif isinstance(kind, GraphQLEnumType) and isinstance(other, GraphQLEnumType):
            found += [f"{name}.{value}" for value in kind.values if value not in other.values]
        elif isinstance(kind, GraphQLInputObjectType) and isinstance(other, GraphQLInputObjectType):
            have = typed(other.fields)
            found += [f"{name}.{key}: {text}" for key, text in typed(kind.fields).items() if have.get(key) != text]
            found += [f"{name}: @oneOf"] if kind.is_one_of != other.is_one_of else []
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and isinstance(
            other, GraphQLObjectType | GraphQLInterfaceType
        ):
            found += field_differences(name, kind, other)
        else:
            assert isinstance(kind, GraphQLScalarType)
    return found


def field_differences(
    name: str, kind: GraphQLObjectType | GraphQLInterfaceType, other: GraphQLObjectType | GraphQLInterfaceType
) -> list[str]:
    """What differs in the fields, arguments and interfaces of one type; required arguments must all be there."""
    theirs = {one.name for one in other.interfaces}
    found = [f"{name} implements {one.name}" for one in kind.interfaces if one.name not in theirs]
    for key, ours in kind.fields.items():
        published = other.fields.get(key)
        if published is None or str(published.type) != str(ours.type):
            found.append(f"{name}.{key}: {ours.type}, there {published.type if published else 'nothing'}")
            continue
        have = typed(published.args)
        found += [f"{name}.{key}({arg}: {text})" for arg, text in typed(ours.args).items() if have.get(arg) != text]
        needed = {arg for arg, text in have.items() if text.endswith("!")}
        found += [f"{name}.{key} lacks {arg}" for arg in needed - set(ours.args)]
    return found


@pytest.fixture(scope="module")
def published() -> GraphQLSchema:
    if not PUBLISHED.exists():
        pytest.skip(f"Shopify's schema is not at {PUBLISHED}; set CROSSDOCK_REFERENCE.")
    return build_schema(PUBLISHED.read_text(), assume_valid=True)


def test_every_type_field_argument_and_nullability_is_shopifys_own(published: GraphQLSchema) -> None:
    assert differences(schema(), published) == []
    directive, theirs = schema().get_directive("idempotent"), published.get_directive("idempotent")
    assert directive is not None
    assert theirs is not None
    assert (typed(directive.args), directive.locations) == (typed(theirs.args), theirs.locations)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("type Order { id: ID }", "Order.id: ID, there ID!"),
        ("type Order { colour: String }", "Order.colour: String, there nothing"),
        ("type QueryRoot { order(id: ID!, size: Int): Order } type Order { id: ID! }", "QueryRoot.order(size: Int)"),
        ("input OrderCloseInput { id: ID }", "OrderCloseInput.id: ID"),
        ("enum JobState { X }", "JobState: not the same kind of type there"),
        ("enum OrderCancelReason { BOREDOM }", "OrderCancelReason.BOREDOM"),
    ],
)
def test_a_departure_from_shopifys_schema_is_told(published: GraphQLSchema, changed: str, told: str) -> None:
    assert told in differences(build_schema(changed), published)
