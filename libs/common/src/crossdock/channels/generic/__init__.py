"""The generic channel: any system that signs its webhooks the standard way, and a 3PL with a plain REST API."""

from crossdock.channels.generic.connector import GenericConnector

connector = GenericConnector()

__all__ = ["GenericConnector", "connector"]
