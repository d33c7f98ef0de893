"""Short-lived tokens with which one Crossdock service calls another (JWT, HS256, for one audience)."""

import time
from collections.abc import Callable

import jwt
from fastapi import Request

from crossdock.service.errors import Problem

LIFE_SECONDS = 60
ALGORITHM = "HS256"


def issue(key: str, *, issuer: str, audience: str, role: str = "service") -> str:
    """A token that `issuer` shows to `audience`; it dies after a minute."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "iat": now, "exp": now + LIFE_SECONDS, "role": role}
    return jwt.encode(claims, key, ALGORITHM)


def verify(key: str, token: str, *, audience: str) -> str:
    """The service that issued a token. Raises Problem (401) when it is missing, forged, expired or for another."""
    try:
        claims = jwt.decode(
            token, key, algorithms=[ALGORITHM], audience=audience, leeway=5, options={"require": ["exp", "iss", "aud"]}
        )
    except jwt.InvalidTokenError as problem:
        raise Problem(
            401,
            "service_token",
            f"The service token was refused: {type(problem).__name__}.",
            "People and scripts call the gateway, with an API key.",
        ) from None
    return str(claims["iss"])


def required(key: str, audience: str) -> Callable[[Request], None]:
    """A dependency that lets only other Crossdock services in."""

    def check(request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        verify(key, token if scheme.lower() == "bearer" else "", audience=audience)

    return check
