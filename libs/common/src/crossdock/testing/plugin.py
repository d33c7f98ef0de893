"""Fixtures that every test of the workspace may ask for."""
