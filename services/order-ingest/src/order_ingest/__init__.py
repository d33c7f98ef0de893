"""Owns orders, recipients, holds and the one status of an order."""
