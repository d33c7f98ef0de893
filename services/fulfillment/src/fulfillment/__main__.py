"""Run the fulfillment service."""

from crossdock.service.app import run
from fulfillment.main import service

run(service)
