"""The `crossdock` command: for the person who runs the hub, and for the one who operates it."""
