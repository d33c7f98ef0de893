"""Whoever has integrations and runs is reached by people."""

from crossdock.cli.commands import runs
from crossdock.cli.setup import installed_services
from gateway.domain.routing import WITH_RUNS


def test_the_gateway_and_the_command_line_know_every_service_that_has_runs() -> None:
    services = installed_services()
    having = {name for name, service in services.items() if any(worker.name == "runs" for worker in service.workers)}
    assert having == set(WITH_RUNS) == set(runs.SERVICES)
