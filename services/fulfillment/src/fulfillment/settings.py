"""Fulfillment's settings."""

from pydantic import Field

from crossdock.service.settings import ServiceSettings


class Settings(ServiceSettings):
    """Those of every service, and how writes to the outside are paced."""

    writes_in_flight: int = Field(32, ge=1, le=200, description="Calls under way at once, over all channels")
    writes_per_channel: int = Field(24, ge=1, le=200, description="Calls under way at once to one channel")
    tags_in_flight: int = Field(8, ge=1, le=200, description="Tags of orders being written at once, over all channels")
    tags_per_channel: int = Field(2, ge=1, le=200, description="Tags of orders being written at once to one channel")
    call_seconds: float = Field(20.0, gt=0, description="How long one call to the outside may take")
    look_seconds: float = Field(2.0, ge=0, description="Wait after a call's deadline before looking what became of it")
    doubt_seconds: float = Field(900.0, gt=0, description="How long a weak look is repeated before a person decides")
    excess_seconds: float = Field(60.0, ge=0, description="Wait for the void before looking at a shipment of too much")
