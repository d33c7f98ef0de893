"""Every SQL statement of fulfillment. Rows are locked in one order: desks by order id, then writes to the outside."""
