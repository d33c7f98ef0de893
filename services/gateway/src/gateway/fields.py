"""Types of fields that people send: texts that can be stored, and secrets, which are never quoted."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import Query
from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from gateway.domain.channels import storable

CredentialKind = Literal["access_token", "webhook_secret", "api_key", "signing_secret", "client_secret"]


def _storable(text: str) -> str:
    if not storable(text):
        raise PydanticCustomError("unstorable_text", "holds a character that cannot be stored")
    return text


def _sealable(secret: SecretStr) -> SecretStr:
    _storable(secret.get_secret_value())
    return secret


Limit = Annotated[int, Query(ge=1, le=500)]
Storable = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Storable, Field(min_length=1, max_length=200)]
Address = Annotated[Storable, Field(max_length=2000)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=4096), AfterValidator(_sealable)]


def by_kind(secrets: Mapping[CredentialKind, SecretStr | None]) -> dict[str, SecretStr | None]:
    """Secrets by plain names."""
    return {str(kind): secret for kind, secret in secrets.items()}
