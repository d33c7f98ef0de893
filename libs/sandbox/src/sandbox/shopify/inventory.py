"""`inventorySetQuantities` with the rules that the schema doesn't show: `@idempotent`, `changeFromQuantity` present."""

from typing import Any

from graphql import GraphQLError
from graphql.execution import get_directive_values

from sandbox.clock import second
from sandbox.shopify import catalog_views as catalog
from sandbox.shopify.context import Context, Info, number_in
from sandbox.shopify.line_payloads import gid
from sandbox.shopify.state import Store, Variant
from sandbox.shopify.stock import shift, tell

View = dict[str, Any]


def idempotency_key(info: Info) -> str:
    """The key of `@idempotent` on the field. Raises: GraphQLError BAD_REQUEST without one."""
    directive = info.schema.get_directive("idempotent")
    assert directive is not None
    values = get_directive_values(directive, info.field_nodes[0], info.variable_values)
    if not values or not values["key"].strip():
        raise GraphQLError(
            "The @idempotent directive is required for this mutation but was not provided.",
            extensions={"code": "BAD_REQUEST"},
        )
    return str(values["key"])


def inventory_set_quantities(_root: Any, info: Info, **args: Any) -> View:
    """`inventorySetQuantities`: one bad row fails the whole call; a repeated key replays its answer."""
    context: Context = info.context
    key, given = idempotency_key(info), args["input"]
    stored = context.store.idempotency.get(key)
    if stored is not None:
        if stored[0] != given:
            return _refused("The same idempotency key was used with other input.", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
        return dict(stored[1])
    rows = given["quantities"]
    if any("changeFromQuantity" not in row for row in rows):
        raise GraphQLError(
            "InventoryQuantityInput must include the following argument: changeFromQuantity.",
            extensions={"code": "INVALID_FIELD_ARGUMENTS"},
        )
    answer = _set(context, given)
    context.store.idempotency[key] = (given, answer)
    return answer


def _set(context: Context, given: dict[str, Any]) -> View:
    store, name = context.store, given["name"]
    if name not in ("available", "on_hand"):
        return _refused("The quantity name must be either 'available' or 'on_hand'.", "INVALID_NAME", "name")
    targets: list[tuple[Variant, int, int]] = []
    for index, row in enumerate(given["quantities"]):
        place = number_in(row["locationId"], "Location")
        variant = _variant(store, number_in(row["inventoryItemId"], "InventoryItem"))
        where = ["input", "quantities", str(index)]
        if variant is None:
            return _refused(
                "The specified inventory item could not be found.", "INVALID_INVENTORY_ITEM", *where, "inventoryItemId"
            )
        if place not in variant.available:
            return _refused("The specified location could not be found.", "INVALID_LOCATION", *where, "locationId")
        have = (variant.available if name == "available" else variant.on_hand).get(place, 0)
        expected = row["changeFromQuantity"]
        if expected is not None and expected != have:
            message = "The changeFromQuantity argument no longer matches the persisted quantity."
            return _refused(message, "CHANGE_FROM_QUANTITY_STALE", *where, "changeFromQuantity")
        targets.append((variant, place, row["quantity"] - have))
    if len({(variant.id, place) for variant, place, _ in targets}) < len(targets):
        return _refused(
            "All inventory item id and location id pairs must be unique.",
            "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
        )
    return _applied(context, given, targets)


def _applied(context: Context, given: dict[str, Any], targets: list[tuple[Variant, int, int]]) -> View:
    store = context.store
    changes: list[View] = []
    for variant, place, delta in targets:
        shift(variant, place, delta, delta)
        if delta:
            changes += [
                {
                    "name": name,
                    "delta": delta,
                    "item": catalog.inventory_item(store, variant),
                    "location": catalog.location(store, store.locations[place]),
                }
                for name in ("available", "on_hand")
            ]
            tell(context.world, store, variant, place)
    group = {
        "id": gid("InventoryAdjustmentGroup", store.ids.next()),
        "createdAt": second(),
        "reason": given["reason"],
        "referenceDocumentUri": given.get("referenceDocumentUri"),
        "changes": lambda _info, **_args: changes,
    }
    return {"inventoryAdjustmentGroup": group if changes else None, "userErrors": []}


def _variant(store: Store, item_id: int) -> Variant | None:
    return next((one for one in store.variants.values() if one.inventory_item_id == item_id), None)


def _refused(message: str, code: str, *field: str) -> View:
    path = ["input", *field] if field and field[0] != "input" else list(field) or None
    return {"inventoryAdjustmentGroup": None, "userErrors": [{"field": path, "message": message, "code": code}]}
