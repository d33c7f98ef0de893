"""The inventory service: what it is made of."""

from crossdock.service.app import Service
from inventory import api, handlers, tables
from inventory.settings import Settings

service = Service(
    name="inventory",
    settings=Settings,
    consumer=handlers.consumer,
    metadata=tables.metadata,
    router=api.router,
)
