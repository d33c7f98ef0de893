"""Owns fulfillment requests, shipments and write-backs; no effect outside happens twice."""
