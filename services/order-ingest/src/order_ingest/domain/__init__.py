"""What order-ingest decides, as pure functions over frozen values: no I/O, and nothing imported of Crossdock."""
