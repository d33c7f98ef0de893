"""Run the gateway."""

from crossdock.service.app import run
from gateway.main import service

run(service)
