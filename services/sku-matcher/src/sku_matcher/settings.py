"""The matcher's settings."""

from pydantic import Field

from crossdock.service.runs.settings import RunSettings


class Settings(RunSettings):
    """Its own settings, beside those of every service with runs."""

    listings_seconds: float = Field(21_600.0, gt=0, description="Each channel's changed products are read so often")
