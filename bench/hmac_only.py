"""The baseline of the webhook benchmark: the same process, server and door, which only checks the signature."""

from dataclasses import replace

from fastapi import APIRouter
from starlette.types import Receive, Scope, Send

from crossdock.service.app import Context, run
from gateway.main import service
from gateway.parts import parts_of
from gateway.webhooks import ACCEPTED, ACCEPTED_HEADERS, WebhookDoor, verified


class SignatureOnly(WebhookDoor):
    """Finds the channel, reads the body, checks the signature, stores nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        entry = self._entry(scope["path_params"], headers)
        chunks: list[bytes] = []
        await self._read(headers, receive, chunks)
        body = b"".join(chunks)
        self._held -= len(body)
        verified(entry, headers, body)
        await send({"type": "http.response.start", "status": 200, "headers": ACCEPTED_HEADERS})
        await send({"type": "http.response.body", "body": ACCEPTED})


def router(context: Context) -> APIRouter:
    """The one route."""
    parts = parts_of(context)
    settings = parts.settings
    door = SignatureOnly(
        parts.directory,
        parts.commit,
        body_bytes=settings.webhook_body_bytes,
        memory_bytes=settings.webhook_memory_bytes,
    )
    routes = APIRouter()
    routes.add_route("/webhooks/shopify", door, methods=["POST"])  # type: ignore[arg-type]
    return routes


if __name__ == "__main__":
    run(replace(service, router=router))
