"""Short-lived tokens with which one Crossdock service calls another (JWT, HS256, for one audience)."""

import time
from collections.abc import Callable
from typing import Annotated, Any

import jwt
from fastapi import Depends, Request

from crossdock.service.errors import Problem

LIFE_SECONDS = 60
ALGORITHM = "HS256"


SEES_PEOPLE = frozenset({"operator", "admin", "service"})
"""Roles that may see personal data: a viewer may not."""


def issue(key: str, *, issuer: str, audience: str, role: str = "service") -> str:
    """A token that `issuer` shows to `audience`; it dies after a minute. `role` is that of the person for whom the
    gateway calls, `service` where a service calls by itself."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "iat": now, "exp": now + LIFE_SECONDS, "role": role}
    return jwt.encode(claims, key, ALGORITHM)


def verify(key: str, token: str, *, audience: str) -> str:
    """The service that issued a token. Raises Problem (401) when it is missing, forged, expired or for another."""
    return str(_claims(key, token, audience)["iss"])


def _claims(key: str, token: str, audience: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=[ALGORITHM], audience=audience, leeway=5, options={"require": ["exp", "iss", "aud"]}
        )
    except jwt.InvalidTokenError as problem:
        raise Problem(
            401,
            "service_token",
            f"The service token was refused: {type(problem).__name__}.",
            "People and scripts call the gateway, with an API key.",
        ) from None
    return claims


def required(key: str, audience: str) -> Callable[[Request], None]:
    """A dependency that lets only other Crossdock services in, and remembers for whom they call (`role_of`)."""

    def check(request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        claims = _claims(key, token if scheme.lower() == "bearer" else "", audience)
        request.state.role = str(claims.get("role", ""))

    return check


def role_of(request: Request) -> str:
    """For whom a request that was let in is made: `viewer`, `operator`, `admin` or `service`."""
    return str(request.state.role)


def sees_people(request: Request) -> bool:
    """Whether whoever asks may see personal data."""
    return role_of(request) in SEES_PEOPLE


def needs_people(request: Request) -> None:
    """A dependency for routes that show personal data. Raises Problem (403)."""
    if not sees_people(request):
        raise Problem(403, "role", "This shows personal data, which a viewer may not see.", "Use an operator's key.")


def needs_admin(request: Request) -> None:
    """A dependency for routes of admins alone. Raises Problem (403)."""
    if role_of(request) not in ("admin", "service"):
        raise Problem(403, "role", "Only an admin may do this.", "Use an admin's key.")


def actor_of(request: Request) -> str:
    """Who acts, by the name of the API key that the gateway tells; `a service` where nobody is named."""
    return request.headers.get("x-crossdock-actor", "")[:200] or "a service"


Actor = Annotated[str, Depends(actor_of)]
"""A parameter of a route: who acts."""
