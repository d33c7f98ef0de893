"""What a GraphQL request costs, and the leaky bucket that pays for it.

The rule was measured on live replies: scalars, money and addresses are free, an object 1, a root count and a mutation
10 each (a mutation's payload and first objects included), a connection 2 + max(1, floor(2·ln(first))) times its node.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
)

MAXIMUM = 1000
FREE = frozenset({"MoneyBag", "MoneyV2", "MailingAddress", "PageInfo"})


@dataclass
class Bucket:
    """Cost points of one app and store: `restore` per second, up to `maximum`; `lowest` is the least that was
    ever left, `answered` and `throttled` count what was asked of it."""

    maximum: float = 2000.0
    restore: float = 100.0
    available: float = 2000.0
    at: float = field(default_factory=time.monotonic)
    lowest: float = math.inf
    answered: int = 0
    throttled: int = 0

    def refill(self) -> float:
        """Add what came back since last time; the points available now."""
        now = time.monotonic()
        self.available = min(self.maximum, self.available + (now - self.at) * self.restore)
        self.at = now
        return self.available

    def pay(self, points: float) -> None:
        """Take the points of one request."""
        self.available -= points
        self.answered += 1
        self.lowest = min(self.lowest, self.available)

    def status(self) -> dict[str, float]:
        """`throttleStatus` as Shopify replies it."""
        return {
            "maximumAvailable": self.maximum,
            "currentlyAvailable": int(self.refill()),
            "restoreRate": self.restore,
        }


@dataclass(frozen=True)
class Estimator:
    """Costs of the operations of one document."""

    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    variables: dict[str, Any]

    def requested(self, operation: OperationDefinitionNode) -> int:
        """`requestedQueryCost`."""
        return sum(self._root(kind, node, None, operation) for kind, node in self._roots(operation))

    def actual(self, operation: OperationDefinitionNode, data: dict[str, Any] | None) -> int:
        """`actualQueryCost`: the same rule over the nodes that came back."""
        return sum(
            self._root(kind, node, [(data or {}).get(_key(node))], operation) for kind, node in self._roots(operation)
        )

    def _roots(self, operation: OperationDefinitionNode) -> list[tuple[Any, FieldNode]]:
        return self._fields(self.schema.get_root_type(operation.operation), operation.selection_set)

    def _root(self, kind: Any, node: FieldNode, data: list[Any] | None, operation: OperationDefinitionNode) -> int:
        name = node.name.value
        if name.startswith("__"):
            return 0
        if name.endswith("Count"):
            return 10
        if operation.operation.value != "mutation":
            return self._field(kind, node, data)
        payload = get_named_type(kind.fields[name].type)
        return 10 + sum(
            self._below(owner, child, _get(data, child))
            for owner, child in self._fields(payload, node.selection_set)
            if not child.name.value.lower().endswith("usererrors")
        )

    def _below(self, kind: Any, node: FieldNode, data: list[Any] | None) -> int:
        """What lies below a field, the field itself left out."""
        inner = _type_of(kind, node)
        if inner is None:
            return 0
        if inner.name.endswith("Connection"):
            return self._connection(inner, node, data)
        return sum(
            self._field(owner, child, _get(data, child)) for owner, child in self._fields(inner, node.selection_set)
        )

    def _field(self, kind: Any, node: FieldNode, data: list[Any] | None) -> int:
        inner = _type_of(kind, node)
        if inner is None or (data is not None and all(value is None for value in data)):
            return 0
        own = 0 if inner.name.endswith("Connection") else 1
        return own + self._below(kind, node, data)

    def _connection(self, inner: Any, node: FieldNode, data: list[Any] | None) -> int:
        count, cost = self._first(node), 0
        for _, child in self._fields(inner, node.selection_set):
            if child.name.value not in ("nodes", "edges"):
                continue
            found = _get(data, child)
            if found is not None:
                count = min(count, max(1, len(found)))
            if child.name.value == "nodes":
                cost = max(cost, 1 + self._below(inner, child, found))
                continue
            edge = get_named_type(inner.fields["edges"].type)
            for _, grandchild in self._fields(edge, child.selection_set):
                if grandchild.name.value == "node":
                    cost = max(cost, 1 + self._below(edge, grandchild, _get(found, grandchild)))
        return 2 + max(1, math.floor(2 * math.log(max(1, count)))) * cost

    def _first(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    return int(self.variables.get(argument.value.name.value) or 1)
        return 1

    def _fields(self, kind: Any, selections: SelectionSetNode | None) -> list[tuple[Any, FieldNode]]:
        """The fields selected on a type, each with the type it belongs to (a fragment may narrow it)."""
        found: list[tuple[Any, FieldNode]] = []
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                found.append((kind, node))
                continue
            fragment: Any = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            narrowed = fragment.type_condition
            below = self.schema.type_map[narrowed.name.value] if narrowed is not None else kind
            found += self._fields(below, fragment.selection_set)
        return found


def _type_of(kind: Any, node: FieldNode) -> Any:
    """The type of a field that may cost something; None for what is free."""
    definition = getattr(kind, "fields", {}).get(node.name.value)
    inner = get_named_type(definition.type) if definition is not None else None
    return None if inner is None or is_leaf_type(inner) or inner.name in FREE else inner


def _key(node: FieldNode) -> str:
    return node.alias.value if node.alias else node.name.value


def _get(data: list[Any] | None, node: FieldNode) -> list[Any] | None:
    if data is None:
        return None
    found: list[Any] = []
    for value in data:
        inner = value.get(_key(node)) if isinstance(value, dict) else None
        found += inner if isinstance(inner, list) else [inner]
    return found
