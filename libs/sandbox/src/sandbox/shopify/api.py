"""The Admin GraphQL endpoint over HTTP: token, version, throttling, faults, then execution."""

from functools import lru_cache
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    execute_sync,
    parse,
    validate,
)

from sandbox.faults import ACTING, drop_connection, hang, late
from sandbox.shopify import bulk
from sandbox.shopify.context import Context
from sandbox.shopify.cost import MAXIMUM, Estimator
from sandbox.shopify.resolvers import ORDER_FILTERS, schema
from sandbox.shopify.search import parse as parse_search
from sandbox.shopify.state import Fault, Store
from sandbox.world import World

BAD_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105


@lru_cache(maxsize=512)
def document_of(source: str) -> tuple[DocumentNode | None, list[GraphQLError]]:
    """The parsed document, or why it is refused."""
    try:
        document = parse(source)
    except GraphQLError as error:
        return None, [error]
    errors = validate(schema(), document)
    return (None, errors) if errors else (document, [])


def operation_of(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    """The operation of that name, or the only one."""
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name:
        found = [one for one in found if one.name is not None and one.name.value == name]
    return found[0] if len(found) == 1 else None


def version_served(store: Store, asked: str) -> str:
    """The version that answers: an unknown or expired one falls forward to the oldest that is served."""
    served = store.settings.served_versions
    return asked if asked in served or asked == "unstable" else served[0]


def routes(world: World) -> APIRouter:
    """The endpoint of every store of `world`."""
    router = APIRouter()

    @router.post("/shopify/{shop}/admin/api/{version}/graphql.json")
    async def graphql(shop: str, version: str, request: Request) -> Response:
        store = world.stores.get(shop)
        if store is None:
            return _json({"errors": "Not Found"}, 404)
        headers = {"X-Shopify-API-Version": version_served(store, version)}
        if not store.installed or not _accepted(world, store, request.headers.get("X-Shopify-Access-Token", "")):
            return _json({"errors": BAD_TOKEN}, 401, headers)
        try:
            body = orjson.loads(await request.body())
            source, variables = str(body["query"]), body.get("variables") or {}
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return _json({"errors": {"query": "Required parameter missing or invalid"}}, 400, headers)
        document, errors = document_of(source)
        operation = operation_of(document, body.get("operationName")) if document else None
        if document is None or operation is None:
            refusal = errors or [GraphQLError("An operation name is required")]
            return _json({"errors": [_told(error) for error in refusal]}, 200, headers)
        fault = take_fault(store, operation)
        if fault is not None and fault.kind not in ACTING:
            return await _failed(request, store, fault, headers)
        if fault is not None and fault.kind == "act_late":
            await late(world, fault.seconds)
        reply = answer(context_of(world, store, request), document, operation, variables)
        if fault is not None and fault.kind == "lose_reply":
            return await drop_connection(request)
        throttled = "data" not in reply and _code(reply) == "THROTTLED"
        if throttled and store.settings.throttled_status == 429:
            return _json(reply, 429, headers | {"Retry-After": "2.0"})
        return _json(reply, 200, headers)

    @router.get("/shopify/{shop}/bulk/{number}.jsonl")
    async def download(shop: str, number: int) -> Response:
        store = world.stores.get(shop)
        found = store.bulk.get(number) if store is not None else None
        if found is None or found.path is None:
            return Response("Not Found", 404)
        return FileResponse(found.path, media_type="application/jsonl")

    return router


def _accepted(world: World, store: Store, token: str) -> bool:
    return token == store.token or store.grants.accepts(token, world.clock.now())


def context_of(world: World, store: Store, request: Request) -> Context:
    """What the resolvers of a request work with."""
    context = Context(world, store, base_url=str(request.base_url))
    context.orders_matching = lambda search: [
        order for order in bulk.every_order(store) if parse_search(search, ORDER_FILTERS).test(order)
    ]
    return context


def take_fault(store: Store, operation: OperationDefinitionNode) -> Fault | None:
    """The next fault that is set for one of the operation's root fields."""
    roots = {node.name.value for node in operation.selection_set.selections if isinstance(node, FieldNode)}
    for fault in store.faults:
        if fault.times > 0 and (fault.operation == "*" or fault.operation in roots):
            fault.times -= 1
            return fault
    return None


def answer(
    context: Context, document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any]
) -> dict[str, Any]:
    """Charge for the operation and execute it; the reply's body."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    estimator = Estimator(schema(), fragments, variables)
    requested, bucket = estimator.requested(operation), context.store.bucket
    if requested > MAXIMUM:
        message = f"Query cost is {requested}, which exceeds the single query max cost limit ({MAXIMUM})."
        return {"errors": [{"message": message, "extensions": {"code": "MAX_COST_EXCEEDED", "cost": requested}}]}
    if requested > bucket.refill():
        bucket.throttled += 1
        return throttled(context.store, requested)
    name = operation.name.value if operation.name else None
    result = execute_sync(schema(), document, context_value=context, variable_values=variables, operation_name=name)
    actual = min(requested, estimator.actual(operation, result.data))
    bucket.pay(actual)
    reply: dict[str, Any] = {"data": result.data} if result.data is not None or not result.errors else {}
    if result.errors:
        reply["errors"] = [_told(error) for error in result.errors]
    cost = {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket.status()}
    reply["extensions"] = {"cost": cost} | ({"search": context.search} if context.search else {})
    return reply


def throttled(store: Store, requested: int | None = None) -> dict[str, Any]:
    """The reply to a request that the bucket can't pay for."""
    extensions = {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"}
    cost = {
        "requestedQueryCost": requested,
        "actualQueryCost": None,
        "throttleStatus": store.bucket.status(),
    }
    return {"errors": [{"message": "Throttled", "extensions": extensions}], "extensions": {"cost": cost}}


async def _failed(request: Request, store: Store, fault: Fault, headers: dict[str, str]) -> Response:
    """The reply of a call that went wrong before it did anything."""
    if fault.kind == "timeout":
        return await hang(request, fault.seconds)
    if fault.kind == "token_expired":
        return _json({"errors": BAD_TOKEN}, 401, headers)
    if fault.kind == "throttle":
        status = store.settings.throttled_status
        return _json(throttled(store, 10), status, headers | ({"Retry-After": "2.0"} if status == 429 else {}))
    if fault.kind == "http_429":
        return _json(throttled(store, 10), 429, headers | {"Retry-After": "2.0"})
    return _json({"errors": "Internal Server Error"}, 500, headers)


def _told(error: GraphQLError) -> dict[str, Any]:
    """An error as Shopify words it: `path` and `extensions` where it has them."""
    told: dict[str, Any] = {"message": error.message}
    if error.locations:
        told["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        told["path"] = error.path
    if error.extensions:
        told["extensions"] = error.extensions
    return told


def _code(reply: dict[str, Any]) -> str | None:
    errors = reply.get("errors") or [{}]
    return (errors[0].get("extensions") or {}).get("code")


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json; charset=utf-8")
