"""The matcher's settings."""

from crossdock.service.settings import ServiceSettings


class Settings(ServiceSettings):
    """It has none beyond those of every service."""
