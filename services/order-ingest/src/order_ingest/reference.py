"""How people name an order in a path: by its id or by its number."""

from uuid import UUID

from crossdock.messaging.transaction import Tx
from crossdock.service.errors import Problem
from order_ingest.store import pages


async def order_id_of(tx: Tx, reference: str) -> UUID:
    """The id of an order by its id or number. Raises Problem: 404 when there is none, 409 when there are several."""
    try:
        return UUID(reference)
    except ValueError:
        ids = await pages.ids_of_number(tx, reference)
    if not ids:
        raise Problem(404, "not_found", "There is no order with this number.", "List the orders and check the number.")
    if len(ids) > 1:
        several = ", ".join(str(order_id) for order_id in ids)
        raise Problem(409, "several_orders", f"Several orders carry this number: {several}.", "Name one by its id.")
    return ids[0]
