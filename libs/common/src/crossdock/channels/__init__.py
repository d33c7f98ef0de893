"""Connectors to the outside: one folder per channel, each with an HTTP client and a pure mapper in separate files."""
