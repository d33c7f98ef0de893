"""Crossdock's shared library: everything that more than one service needs, and no service."""
