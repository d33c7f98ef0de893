"""Fulfillment's migrations."""
