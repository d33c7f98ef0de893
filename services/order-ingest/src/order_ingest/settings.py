"""Order-ingest's settings."""

from pydantic import Field

from crossdock.service.runs.settings import RunSettings


class Settings(RunSettings):
    """Its own settings, beside those of every service with runs."""

    refetch_batch: int = Field(20, ge=1, le=200, description="Orders read again from their channels at once")
    refetch_lease_seconds: float = Field(60.0, gt=0, description="After so long a read counts as lost and is repeated")
    refetch_retry_seconds: float = Field(10.0, gt=0, description="Wait after a read that failed; doubles, at most 1 h")
    import_file_bytes: int = Field(64 * 2**20, gt=0, description="Size of a file of orders at most")
    import_file_days: int = Field(7, ge=1, description="Days for which a checked file waits to be started")
    import_in_flight: int = Field(1000, ge=1, description="Orders of one file under way at once; then it pauses")
    reconsider_page: int = Field(200, ge=1, le=1000, description="Orders judged again in one transaction")
    poll_seconds: float = Field(60.0, gt=0, description="Within so long a change that no webhook told is found")
    poll_grace_seconds: float = Field(5.0, ge=0, description="So long a change is left to its webhook; at most poll/4")
    poll_reads: int = Field(5, ge=1, le=50, description="Orders of one channel read at once after a poll")
    daily_refetch_cron: str = Field("0 3 * * *", description="When each channel's last days are read again, its time")
