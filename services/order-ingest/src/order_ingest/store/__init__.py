"""Every SQL statement of order-ingest. Rows are locked in one order: channel, reconsideration, orders by id."""
