"""Bulk operations: a query over everything, worked off in the background into a JSONL file that is then downloaded.

As documented: at most five at once, at most five connections nested two deep, none inside a list; what connections hold
comes as rows of its own that name their parent by `__parentId`, grouped below it when asked.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    IntValueNode,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    execute_sync,
    get_named_type,
    parse,
    print_ast,
    validate,
)

from sandbox.clock import second
from sandbox.shopify import views
from sandbox.shopify.catalog_views import number_of
from sandbox.shopify.context import Context, Info, user_errors
from sandbox.shopify.line_payloads import gid
from sandbox.shopify.state import Order, Store

MOST_AT_ONCE, MOST_CONNECTIONS, DEEPEST = 5, 5, 2
SEEN_FOR = timedelta(days=60)
View = dict[str, Any]


@dataclass
class BulkOperation:
    """One operation; `path` is its file once it is done."""

    id: int
    query: str
    grouped: bool
    status: str = "CREATED"
    error: str | None = None
    roots: int = 0
    objects: int = 0
    path: Path | None = None
    created_at: datetime = field(default_factory=second)
    completed_at: datetime | None = None


@dataclass
class Archive:
    """Many old orders, kept as one with other numbers: what a store of years holds, without its memory."""

    template: Order
    first_id: int
    count: int

    def order(self, index: int) -> Order:
        """One of them."""
        number = 1_000_000 + index
        return replace(self.template, id=self.first_id + index, number=number, name=f"#{number}")

    def find(self, number: int) -> Order | None:
        """The one with this id."""
        index = number - self.first_id
        return self.order(index) if 0 <= index < self.count else None


def visible(store: Store, order: Order) -> bool:
    """Whether the app sees an order: without `read_all_orders`, those of the last 60 days."""
    return "read_all_orders" in store.settings.scopes or order.created_at > second() - SEEN_FOR


def every_order(store: Store) -> Iterator[Order]:
    """All orders of a store that the app sees."""
    yield from (order for order in store.orders.values() if visible(store, order))
    for archive in store.archives:
        if visible(store, archive.template):
            yield from (archive.order(index) for index in range(archive.count))


def run_query(_root: Any, info: Info, **args: Any) -> View:
    """`bulkOperationRunQuery`."""
    context: Context = info.context
    running = [one for one in context.store.bulk.values() if one.status in ("CREATED", "RUNNING")]
    if len(running) >= MOST_AT_ONCE:
        return _refused("The maximum number of bulk operations is reached.", "LIMIT_REACHED")
    try:
        document = parse(args["query"])
    except GraphQLError as error:
        return _refused(f"Invalid bulk query: {error.message}", "INVALID")
    if refusal := _refusal(info, document):
        return _refused(refusal, "INVALID")
    made = BulkOperation(context.store.ids.next(), args["query"], bool(args.get("groupObjects")))
    context.store.bulk[made.id] = made
    task = asyncio.get_running_loop().create_task(_work(info, made, document))
    context.store.bulk_tasks.add(task)
    task.add_done_callback(context.store.bulk_tasks.discard)
    return {"bulkOperation": view(context, made), "userErrors": []}


def cancel(_root: Any, info: Info, **args: Any) -> View:
    """`bulkOperationCancel`."""
    found = info.context.store.bulk.get(number_of(args["id"]))
    if found is None:
        return user_errors("Bulk operation does not exist", ["id"])
    if found.status in ("CREATED", "RUNNING"):
        found.status = "CANCELED"
    return {"bulkOperation": view(info.context, found), "userErrors": []}


def one(_root: Any, info: Info, **args: Any) -> View | None:
    """`bulkOperation`."""
    found = info.context.store.bulk.get(number_of(args["id"]))
    return None if found is None else view(info.context, found)


def view(context: Context, one: BulkOperation) -> View:
    """A BulkOperation."""
    url = f"{context.base_url}shopify/{context.store.domain}/bulk/{one.id}.jsonl"
    there = one.path is not None and one.roots > 0
    return {
        "id": gid("BulkOperation", one.id),
        "status": one.status,
        "errorCode": one.error,
        "createdAt": one.created_at,
        "completedAt": one.completed_at,
        "objectCount": one.objects,
        "rootObjectCount": one.roots,
        "fileSize": one.path.stat().st_size if one.path else None,
        "url": url if there and one.status == "COMPLETED" else None,
        "partialDataUrl": url if there and one.status == "FAILED" else None,
        "query": one.query,
        "type": "QUERY",
    }


def _refused(message: str, code: str) -> View:
    return {"bulkOperation": None} | user_errors(message, ["query"], code=code)


def _refusal(info: Info, document: DocumentNode) -> str:
    if errors := validate(info.schema, document):
        return f"Invalid bulk query: {errors[0].message}"
    operation = document.definitions[0]
    if len(document.definitions) != 1 or not isinstance(operation, OperationDefinitionNode):
        return "Bulk queries must contain a single query."
    roots = operation.selection_set.selections
    if len(roots) != 1 or not isinstance(roots[0], FieldNode) or roots[0].name.value != "orders":
        return "The sandbox plays bulk queries over orders alone."
    try:
        connections = _connections(info.schema.query_type, operation.selection_set, 0, in_list=False)
    except ValueError as refusal:
        return str(refusal)
    if connections > MOST_CONNECTIONS:
        return "Bulk queries cannot contain more than 5 connections."
    return ""


def _connections(kind: Any, selections: SelectionSetNode | None, depth: int, *, in_list: bool) -> int:
    """How many connections there are. Raises: ValueError."""
    count = 0
    for node in selections.selections if selections else ():
        if not isinstance(node, FieldNode) or node.name.value not in getattr(kind, "fields", {}):
            continue
        told = kind.fields[node.name.value].type
        inner = get_named_type(told)
        is_connection = str(getattr(inner, "name", "")).endswith("Connection")
        if is_connection and in_list:
            raise ValueError("Queries that contain a connection field within a list field are not currently supported.")
        if is_connection and depth > DEEPEST:
            raise ValueError("Bulk queries cannot contain connections with a nesting depth greater than 2.")
        bare = told.of_type if isinstance(told, GraphQLNonNull) else told
        listed = isinstance(bare, GraphQLList) and node.name.value not in ("edges", "nodes")
        count += is_connection + _connections(
            inner, node.selection_set, depth + is_connection, in_list=in_list or listed
        )
    return count


async def _work(info: Info, made: BulkOperation, document: DocumentNode) -> None:
    """Write the file, a few orders at a time; other requests are answered meanwhile."""
    context: Context = info.context
    await context.world.clock.sleep(context.store.settings.bulk_delay)
    made.status = "RUNNING"
    node, search = _parts(document)
    found = context.orders_matching(search)
    one_order = parse(f"query ($id: ID!) {{ order(id: $id) {node} }}")
    with tempfile.NamedTemporaryFile("wb", suffix=".jsonl", delete=False) as file:
        path = Path(file.name)
        context.store.bulk_files.append(path)
        rows_last: list[bytes] = []
        templates: dict[int, bytes] = {}
        for order in found:
            if made.status == "CANCELED":
                return
            text = _rows_of_archived(context, info, one_order, order, templates)
            if text is None:
                rows = list(_rows(context, info, one_order, order))
                text = b"".join(rows[:1] if not made.grouped else rows)
                rows_last += [] if made.grouped else rows[1:]
                made.objects += len(rows)
            else:
                made.objects += text.count(b"\n")
            file.write(text)
            made.roots += 1
            if made.roots % 50 == 0:
                await asyncio.sleep(0)
        file.write(b"".join(rows_last))
    made.path = path
    made.error = context.store.settings.bulk_error
    made.status, made.completed_at = ("FAILED" if made.error else "COMPLETED"), second()


def _parts(document: DocumentNode) -> tuple[str, str | None]:
    """The selection of one node, and the search."""
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    root = operation.selection_set.selections[0]
    assert isinstance(root, FieldNode)
    search = next((arg.value for arg in root.arguments or () if arg.name.value == "query"), None)
    return print_ast(_below(root)), search.value if isinstance(search, StringValueNode) else None


def _below(connection: FieldNode) -> SelectionSetNode:
    """What is selected of a connection's nodes; inner connections are paged as one."""
    assert connection.selection_set is not None
    inner = connection.selection_set.selections[0]
    assert isinstance(inner, FieldNode)
    if inner.name.value == "edges":
        assert inner.selection_set is not None
        node = inner.selection_set.selections[0]
        assert isinstance(node, FieldNode)
        inner = node
    assert inner.selection_set is not None
    return _paged(inner.selection_set)


def _paged(selections: SelectionSetNode) -> SelectionSetNode:
    first = ArgumentNode(name=NameNode(value="first"), value=IntValueNode(value="250"))
    return SelectionSetNode(
        selections=tuple(
            FieldNode(name=node.name, alias=node.alias, arguments=(first,), selection_set=node.selection_set)
            if isinstance(node, FieldNode) and _is_connection(node)
            else node
            for node in selections.selections
        )
    )


def _is_connection(node: FieldNode) -> bool:
    inner = node.selection_set.selections if node.selection_set else ()
    return any(isinstance(one, FieldNode) and one.name.value in ("edges", "nodes") for one in inner)


def _rows(context: Context, info: Info, document: DocumentNode, order: Order) -> Iterator[bytes]:
    """An order and what its connections hold."""
    inside = Context(context.world, context.store, base_url=context.base_url, looking_at=order)
    reply = execute_sync(info.schema, document, context_value=inside, variable_values={"id": gid("Order", order.id)})
    whole = dict((reply.data or {})["order"])
    below = {
        name: value for name, value in whole.items() if isinstance(value, dict) and {"edges", "nodes"} & set(value)
    }
    yield orjson.dumps({name: value for name, value in whole.items() if name not in below}) + b"\n"
    for connection in below.values():
        nodes = connection.get("nodes") or [edge["node"] for edge in connection.get("edges", [])]
        for node in nodes:
            yield orjson.dumps(node | {"__parentId": whole["id"]}) + b"\n"


def _rows_of_archived(
    context: Context, info: Info, document: DocumentNode, order: Order, templates: dict[int, bytes]
) -> bytes | None:
    """The rows of an order out of an archive: those of its template with its own id and name."""
    for place, archive in enumerate(context.store.archives):
        if archive.find(order.id) is None:
            continue
        if place not in templates:
            templates[place] = b"".join(_rows(context, info, document, archive.template))
        old = archive.template
        own = templates[place].replace(gid("Order", old.id).encode(), gid("Order", order.id).encode())
        return own.replace(f'"name":"{old.name}"'.encode(), f'"name":"{order.name}"'.encode())
    return None


def order_view(store: Store, number: int) -> View | None:
    """The order with this id, wherever it is kept."""
    found = store.orders.get(number) or next((o for a in store.archives if (o := a.find(number)) is not None), None)
    return views.order(store, found) if found is not None and visible(store, found) else None
