"""Settings of every service that has runs."""

from pydantic import Field

from crossdock.service.settings import ServiceSettings


class RunSettings(ServiceSettings):
    """What services with integrations have in common beyond those of every service."""

    run_channels: int = Field(4, ge=1, le=50, description="Runs of one lane that one process turns at once")
    run_lease_seconds: float = Field(60.0, gt=0, description="After so long without a sign of life a run is taken over")
    run_retry_seconds: float = Field(5.0, gt=0, description="Wait after a run's channel failed; doubles, within limits")
    run_gap_seconds: float = Field(60.0, ge=0, description="Rest between two integrations that share a lane")
    run_days: int = Field(14, ge=1, description="Days for which ended runs and their errors are kept")
