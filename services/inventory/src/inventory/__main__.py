"""Run the inventory service."""

from crossdock.service.app import run
from inventory.main import service

run(service)
