"""Run the order-ingest service."""

from crossdock.service.app import run
from order_ingest.main import service

run(service)
