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
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
)

MAXIMUM = 1000
FREE = frozenset({"MoneyBag", "MoneyV2", "MailingAddress", "PageInfo", "Count", "LocationAddress"})


@dataclass
class Bucket:
    """Cost points of one app and store: `restore` per second, up to `maximum`."""

    maximum: float = 2000.0
    restore: float = 100.0
    available: float = 2000.0
    at: float = field(default_factory=time.monotonic)

    def refill(self) -> float:
        """Add what came back since last time; the points available now."""
        now = time.monotonic()
        self.available = min(self.maximum, self.available + (now - self.at) * self.restore)
        self.at = now
        return self.available

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
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        return sum(
            self._root(root, node, None, operation.operation.value == "mutation")
            for node in self._fields(operation.selection_set)
        )

    def actual(self, operation: OperationDefinitionNode, data: dict[str, Any] | None) -> int:
        """`actualQueryCost`: the same rule over the nodes that came back."""
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        return sum(
            self._root(root, node, [(data or {}).get(self._key(node))], operation.operation.value == "mutation")
            for node in self._fields(operation.selection_set)
        )

    def _root(self, root: GraphQLObjectType, node: FieldNode, data: list[Any] | None, mutation: bool) -> int:
        name = node.name.value
        if name.startswith("__"):
            return 0
        if name.endswith("Count"):
            return 10
        if not mutation:
            return self._field(root, node, data)
        cost = 10
        payload = get_named_type(root.fields[name].type)
        for child in self._fields(node.selection_set):
            if isinstance(payload, GraphQLObjectType) and child.name.value in payload.fields:
                below = self._below(payload, child, self._get(data, child))
                if not child.name.value.lower().endswith("usererrors"):
                    cost += below
        return cost

    def _below(self, parent: Any, node: FieldNode, data: list[Any] | None) -> int:
        inner = get_named_type(parent.fields[node.name.value].type)
        if is_leaf_type(inner) or inner.name in FREE:
            return 0
        return sum(self._field(inner, child, self._get(data, child)) for child in self._fields(node.selection_set))

    def _field(self, parent: Any, node: FieldNode, data: list[Any] | None) -> int:
        definition = getattr(parent, "fields", {}).get(node.name.value)
        if definition is None:
            return 0
        inner = get_named_type(definition.type)
        if is_leaf_type(inner) or inner.name in FREE:
            return 0
        if data is not None and all(value is None for value in data):
            return 0
        if inner.name.endswith("Connection"):
            return self._connection(inner, node, data)
        below = sum(self._field(inner, child, self._get(data, child)) for child in self._fields(node.selection_set))
        return 1 + below

    def _connection(self, inner: Any, node: FieldNode, data: list[Any] | None) -> int:
        count = self._first(node)
        cost = 0
        for child in self._fields(node.selection_set):
            if child.name.value not in ("nodes", "edges"):
                continue
            nodes = self._get(data, child)
            if nodes is not None:
                count = min(count, max(1, len(nodes)))
            if child.name.value == "nodes":
                cost = max(cost, 1 + self._below(inner, child, nodes))
                continue
            edge = get_named_type(inner.fields["edges"].type)
            for grandchild in self._fields(child.selection_set):
                if grandchild.name.value == "node":
                    cost = max(cost, 1 + self._below(edge, grandchild, self._get(nodes, grandchild)))
        return 2 + max(1, math.floor(2 * math.log(max(1, count)))) * cost

    def _first(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    return int(self.variables.get(argument.value.name.value) or 1)
        return 1

    def _fields(self, selections: SelectionSetNode | None) -> list[FieldNode]:
        found: list[FieldNode] = []
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                found.append(node)
            elif isinstance(node, FragmentSpreadNode):
                found += self._fields(self.fragments[node.name.value].selection_set)
            elif isinstance(node, InlineFragmentNode):
                found += self._fields(node.selection_set)
        return found

    @staticmethod
    def _key(node: FieldNode) -> str:
        return node.alias.value if node.alias else node.name.value

    def _get(self, data: list[Any] | None, node: FieldNode) -> list[Any] | None:
        if data is None:
            return None
        found: list[Any] = []
        for value in data:
            inner = value.get(self._key(node)) if isinstance(value, dict) else None
            found += inner if isinstance(inner, list) else [inner]
        return found
