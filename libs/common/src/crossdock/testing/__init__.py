"""Fixtures, factories and conformance suites for tests of Crossdock and of third-party connectors."""
