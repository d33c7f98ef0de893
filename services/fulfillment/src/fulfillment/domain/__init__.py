"""The order protocol as fulfillment keeps it: pure reducers over frozen values, no I/O."""
