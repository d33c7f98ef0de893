"""The manual channel: orders that people type or upload; no store is behind it."""

from crossdock.channels.manual.connector import ManualConnector

connector = ManualConnector()

__all__ = ["ManualConnector", "connector"]
