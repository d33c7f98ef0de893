"""Settings of the gateway, from environment variables that start with CROSSDOCK_."""

from pydantic import Field, SecretStr

from crossdock.service.settings import ServiceSettings


class Settings(ServiceSettings):
    """The gateway's own settings beside those of every service."""

    sealing_keys: SecretStr = Field(
        description="Keys for stored credentials, `id:base64 of 32 bytes`, comma-separated: the first seals, all open"
    )
    bootstrap_api_key: SecretStr | None = Field(
        None, description="The first API key (role admin), stored as a hash at start if there is no key yet"
    )
    order_ingest_url: str = Field("http://127.0.0.1:8081", description="Where order-ingest listens")
    sku_matcher_url: str = Field("http://127.0.0.1:8082", description="Where sku-matcher listens")
    inventory_url: str = Field("http://127.0.0.1:8083", description="Where inventory listens")
    fulfillment_url: str = Field("http://127.0.0.1:8084", description="Where fulfillment listens")
    proxy_seconds: float = Field(10.0, gt=0, description="How long a proxied call may take")
    upload_bytes: int = Field(64 * 2**20, gt=0, description="Size of a file of orders at most")
    webhook_body_bytes: int = Field(2 * 2**20, gt=0, description="Size of a webhook's body at most")
    webhook_memory_bytes: int = Field(48 * 2**20, gt=0, description="Bodies in memory at once; beyond it 503")
    commit_seconds: float = Field(2.0, gt=0, description="How long a group commit may take before senders get 503")
    body_days: int = Field(30, ge=1, description="Days for which the bodies of deliveries are kept")
    secret_overlap_hours: float = Field(
        2.0, ge=0, description="How long a replaced webhook secret is still accepted; Shopify uses it for an hour"
    )
    access_seconds: float = Field(60.0, gt=0, description="How long other services may keep an access token at most")
    public_url: str = Field(
        "", description="The https address at which stores and browsers reach this gateway; blank: they cannot"
    )
    approval_minutes: float = Field(15.0, gt=0, description="How long a merchant may take to approve a connection")
    check_minutes: float = Field(15.0, gt=0, description="How often each channel's access and webhooks are checked")
    farewell_days: float = Field(
        30.0, ge=3, description="Days for which a disconnected channel may still tell of privacy requests"
    )
