"""Settings of every service, from environment variables that start with CROSSDOCK_; secrets never print."""

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What all services have in common. A service subclasses it and adds its own."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="CROSSDOCK_", extra="ignore", frozen=True
    )

    database_url: SecretStr = Field(description="Postgres, as the service's runtime role")
    broker_url: SecretStr = Field(description="RabbitMQ, virtual host included")
    service_key: SecretStr = Field(min_length=32, description="Signs the tokens with which services call each other")
    gateway_url: str = Field("http://127.0.0.1:8080", description="Where the gateway's internal API listens")
    private_hosts: str = Field(
        "", description="Hosts of channels that may have private addresses, comma-separated, as base URLs name them"
    )
    host: str = Field("127.0.0.1", description="Address on which the service listens")
    port: int = Field(8080, description="Port on which the service listens")
    batch_size: int = Field(200, ge=1, le=1000, description="Messages in one batch at most; prefetch is twice that")
    inbox_days: int = Field(14, ge=1, description="Days for which the inbox remembers a message; older ones are parked")
    database_pool: int = Field(0, ge=0, description="Connections to Postgres; 0 takes what the service's loops need")
    log_level: str = Field("INFO", description="Least severe level that is logged")
    otlp_endpoint: str = Field("", description="Where traces go (OTLP over HTTP); empty for nowhere")
    stop_seconds: float = Field(20.0, description="How long a stop may take to finish what is in hand")
