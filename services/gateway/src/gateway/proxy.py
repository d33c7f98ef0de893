"""The way from people to the other services: adds a service token, streams the reply, says clearly when one is away."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from crossdock.service import tokens
from crossdock.service.errors import Problem
from gateway.domain.routing import SERVICES, is_upload, target_of
from gateway.keys import Caller

KEPT_OF_REQUEST = ("accept", "content-type", "idempotency-key", "if-match", "if-none-match", "traceparent")
KEPT_OF_REPLY = (
    "cache-control",
    "content-disposition",
    "content-type",
    "etag",
    "last-modified",
    "location",
    "retry-after",
)
MAX_BODY_BYTES = 16 * 2**20
STATUS_SECONDS = 3.0


class Proxy:
    """Calls the services; its connections live as long as the process."""

    def __init__(self, urls: Mapping[str, str], service_key: str, seconds: float, upload_bytes: int) -> None:
        self._clients = {
            service: httpx.AsyncClient(base_url=urls[service], timeout=seconds, trust_env=False) for service in SERVICES
        }
        self._key = service_key
        self._seconds = seconds
        self._upload_bytes = upload_bytes

    async def forward(self, request: Request, caller: Caller) -> StreamingResponse:
        """Send a request on to the service that owns its path. Raises Problem: 404, 413, 503, 504."""
        path = request.scope["raw_path"].decode("latin-1").partition("?")[0].removeprefix("/v1")
        target = target_of(path)
        if target is None:
            raise Problem(404, "not_found", "Nothing is served at this path.", "See /openapi.json and the README.")
        service, there = target
        headers = self._headers(service, caller.role) | {
            "x-crossdock-actor": caller.name.encode("ascii", "replace").decode()
        }
        headers |= {name: request.headers[name] for name in KEPT_OF_REQUEST if name in request.headers}
        upload = is_upload(request.method, there)
        content = _Upload(request, self._upload_bytes) if upload else await _body(request)
        try:
            url = httpx.URL(there, query=request.scope["query_string"])
            call = self._clients[service].build_request(request.method, url, headers=headers, content=content)
        except (httpx.InvalidURL, ValueError):
            raise Problem(400, "bad_request", "The path, query or a header is malformed.", "Encode it.") from None
        reply = await self._send(service, call)
        kept = {name: reply.headers[name] for name in KEPT_OF_REPLY if name in reply.headers}
        return StreamingResponse(_streamed(reply), reply.status_code, kept)

    async def _send(self, service: str, call: httpx.Request) -> httpx.Response:
        try:
            return await self._clients[service].send(call, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise _away(service, "cannot be reached") from None
        except httpx.TimeoutException:
            sentence = f"The service {service} did not answer within {self._seconds:g} seconds."
            done = "" if call.method == "GET" else " Look first whether it was done."
            raise Problem(504, "service_slow", sentence, f"Try again a little later.{done}") from None
        except httpx.HTTPError:
            raise _away(service, "broke the connection off") from None
        except ClientDisconnect:
            raise Problem(400, "broken_off", "The upload broke off.", "Send the file again.") from None

    async def ask(self, service: str, path: str, body: Any, caller: Caller, method: str = "POST") -> Any:
        """Ask a service something in a person's name; the JSON of its reply. Raises Problem: what the service says
        is wrong, or 503, 504."""
        headers = self._headers(service) | {"x-crossdock-actor": caller.name.encode("ascii", "replace").decode()}
        call = self._clients[service].build_request(method, path, headers=headers, json=body)
        reply = await self._send(service, call)
        try:
            said = orjson.loads(await reply.aread())
        except (httpx.HTTPError, ValueError):
            raise _away(service, "broke the connection off") from None
        if reply.status_code >= 400:
            raise Problem(reply.status_code, str(said["code"]), str(said["message"]), str(said.get("next", "")))
        return said

    async def status(self) -> list[dict[str, Any]]:
        """Of each service: whether it is ready, why not, and what lies in its outbox and among its parked messages."""
        return list(await asyncio.gather(*(self._status(service) for service in SERVICES)))

    async def _status(self, service: str) -> dict[str, Any]:
        client = self._clients[service]
        try:
            ready = (await client.get("/readyz", timeout=STATUS_SECONDS)).json()
            found = {"name": service, "ready": bool(ready["ready"]), "unready": dict(ready["unready"])}
            runtime = await client.get("/runtime", headers=self._headers(service), timeout=STATUS_SECONDS)
            return found | (runtime.json() if runtime.status_code == 200 else {})
        except httpx.HTTPError as problem:
            return {
                "name": service,
                "ready": False,
                "unready": {"service": f"does not answer ({type(problem).__name__})"},
            }
        except (ValueError, KeyError, TypeError):
            return {"name": service, "ready": False, "unready": {"service": "is not a Crossdock service"}}

    async def close(self) -> None:
        """Close the connections to the services."""
        for client in self._clients.values():
            await client.aclose()

    def _headers(self, service: str, role: str = "service") -> dict[str, str]:
        token = tokens.issue(self._key, issuer="gateway", audience=service, role=role)
        return {"authorization": f"Bearer {token}"}


class _Upload:
    """A body that is passed on as it comes: the gateway holds a piece of it at a time, however large it is."""

    def __init__(self, request: Request, limit: int) -> None:
        self._request = request
        self._limit = limit
        if int(request.headers.get("content-length", "0")) > limit:
            raise self._too_large()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._request.stream():
            size += len(chunk)
            if size > self._limit:
                raise self._too_large()
            yield chunk

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "file_too_large",
            f"The file is larger than {self._limit // 2**20} MB.",
            "Split it, and send each part.",
        )


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise Problem(
                413, "body_too_large", f"The body is larger than {MAX_BODY_BYTES} bytes.", "Send less at once."
            )
        chunks.append(chunk)
    return b"".join(chunks)


async def _streamed(reply: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in reply.aiter_bytes():
            yield chunk
    finally:
        await reply.aclose()


def _away(service: str, what: str) -> Problem:
    return Problem(
        503,
        "service_away",
        f"The service {service} {what}.",
        "Try again in a moment; see `crossdock status`.",
        {"retry-after": "2"},
    )


def router(proxy: Proxy, caller: Any) -> APIRouter:
    """Everything below /v1 that the gateway does not answer itself. `caller` is the dependency that lets people in."""
    routes = APIRouter()

    @routes.api_route("/v1/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def forward(request: Request, who: Caller = caller) -> StreamingResponse:
        return await proxy.forward(request, who)

    return routes
