"""Inventory's migrations."""
