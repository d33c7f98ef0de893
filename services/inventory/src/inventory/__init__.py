"""Owns stock, its ledger and reservations; never promises a unit twice."""
