"""The one error model of every HTTP API: what went wrong, and what to do next."""

import logging
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossdock.messaging.failures import Verdict, explain, judge, sqlstate
from crossdock.messaging.parked import frames_of

UNSTORABLE = ("22000", "22001", "22003", "22007", "22008", "22021", "22P02", "22P05")
"""SQLSTATEs of values that a column cannot hold: too large, too long, or no text (22000 is the driver's own)."""

log = logging.getLogger(__name__)


class ErrorBody(BaseModel):
    """`code` is for programs and stable; `message` says what and where, `next` what to do."""

    code: str
    message: str
    next: str = ""


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "What is wrong with the request, and what to do next"},
    "5XX": {"model": ErrorBody, "description": "What is wrong with the service, and what to do next"},
}
"""What every route may answer beside its own replies."""


class Problem(Exception):
    """Raise it anywhere below an API route; the answer is an ErrorBody with that status."""

    def __init__(
        self, status: int, code: str, message: str, next_step: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorBody(code=code, message=message, next=next_step)
        self.headers = headers or {}


def not_found(what: str, name: object, next_step: str = "") -> Problem:
    """404 in the one wording."""
    return Problem(
        404, "not_found", f"There is no {what} {name}.", next_step or f"List what there is and check the {what}."
    )


class LastResort:
    """Around all routes: refuses a NUL in an address, which nothing of ours contains and Postgres cannot take, and
    answers a mistake in the code with an ErrorBody; neither answer nor log quotes the error, which may be personal."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            body = ErrorBody(code="nul", message="The address holds a NUL character.", next="Leave it out.")
            return await JSONResponse(body.model_dump(), 400)(scope, receive, send)
        try:
            await self._app(scope, receive, note)
        except ClientDisconnect:
            log.info("%s %s: the caller hung up", scope["method"], _route_of(scope))
        except Exception as error:
            log.error("%s %s failed\n%s", scope["method"], _route_of(scope), frames_of(error))
            if begun:
                raise BrokenOff from None
            body = ErrorBody(code="internal", message="The service made a mistake.", next="See its log, and report it.")
            await JSONResponse(body.model_dump(), 500)(scope, receive, send)
        return None


class BrokenOff(Exception):
    """A reply had begun when something went wrong: the server closes the connection, so that nobody takes it for
    whole."""


def _route_of(scope: Scope) -> str:
    """The template of the route: the path itself may name a person."""
    return str(getattr(scope.get("route"), "path", "a request"))


def install(app: FastAPI) -> None:
    """Answer every failure with an ErrorBody. Input values are never quoted: they may be personal."""
    app.add_middleware(LastResort)

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return JSONResponse(error.body.model_dump(), error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        body = ErrorBody(code=f"http_{error.status_code}", message=str(error.detail))
        return JSONResponse(body.model_dump(), error.status_code, error.headers)

    @app.exception_handler(asyncpg.PostgresError)
    @app.exception_handler(asyncpg.InterfaceError)
    @app.exception_handler(OSError)
    async def away(_: Request, error: Exception) -> JSONResponse:
        if sqlstate(error) in UNSTORABLE:
            log.info("a request was answered 422: %s", explain(error))
            body = ErrorBody(
                code="unstorable",
                message="The database cannot store a value of this request.",
                next="Look for numbers that are too large and for characters that are none.",
            )
            return JSONResponse(body.model_dump(), 422)
        if judge(error) is Verdict.MESSAGE:
            raise error
        log.warning("a request was answered 503: %s", explain(error))
        message = "The service cannot reach its database, or it does not answer."
        body = ErrorBody(code="database_away", message=message, next="Try again in a moment; see `crossdock status`.")
        return JSONResponse(body.model_dump(), 503, {"retry-after": "5"})

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        body = ErrorBody(
            code="invalid_request",
            message=f"{where}: {first['type'].replace('_', ' ')}.",
            next="Correct the field and send the request again; the API's schema is at /openapi.json.",
        )
        return JSONResponse(body.model_dump(), 422)
