"""The one error model of every HTTP API: what went wrong, and what to do next."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from crossdock.messaging.failures import Verdict, explain, judge

log = logging.getLogger(__name__)


class ErrorBody(BaseModel):
    """`code` is for programs and stable; `message` says what and where, `next` what to do."""

    code: str
    message: str
    next: str = ""


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


def install(app: FastAPI) -> None:
    """Answer every failure with an ErrorBody. Input values are never quoted: they may be personal."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return JSONResponse(error.body.model_dump(), error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        body = ErrorBody(code=f"http_{error.status_code}", message=str(error.detail))
        return JSONResponse(body.model_dump(), error.status_code, error.headers)

    @app.exception_handler(SQLAlchemyError)
    @app.exception_handler(OSError)
    async def away(_: Request, error: Exception) -> JSONResponse:
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
