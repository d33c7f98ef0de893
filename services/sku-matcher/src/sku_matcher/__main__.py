"""Run the sku-matcher service."""

from crossdock.service.app import run
from sku_matcher.main import service

run(service)
