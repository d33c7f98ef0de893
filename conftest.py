"""Load Crossdock's fixtures for every test of the workspace."""

pytest_plugins = ["crossdock.testing.plugin"]
