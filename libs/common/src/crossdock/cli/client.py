"""The command line's way to a running system: the gateway's API with the key that `up` wrote."""

import os
from pathlib import Path
from typing import Any

import httpx

from crossdock.local import files


class CannotCall(Exception):
    """The call did not succeed; the text is one sentence for a person, with what to do next."""


def saved(run_dir: Path) -> dict[str, str]:
    """How to reach the system that runs from this folder; the environment wins. Raises CannotCall."""
    found: dict[str, str] = dict(files.read_json(run_dir / "client.json"))
    for name in ("url", "api_key", "management_url"):
        if value := os.environ.get(f"CROSSDOCK_{name.upper()}"):
            found[name] = value
    if "url" not in found or "api_key" not in found:
        raise CannotCall(
            "Nothing runs from this folder: start it with `make up`, or set CROSSDOCK_URL and CROSSDOCK_API_KEY."
        )
    return found


class Client:
    """Calls the gateway."""

    def __init__(self, run_dir: Path) -> None:
        self._at = saved(run_dir)
        self._http = httpx.Client(
            base_url=self._at["url"],
            headers={"authorization": f"Bearer {self._at['api_key']}"},
            timeout=15,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),  # a command makes few calls and closes nothing
        )

    def get(self, path: str, **query: Any) -> Any:
        """Read something. Raises CannotCall."""
        return self.call("GET", path, query={key: value for key, value in query.items() if value is not None})

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Send a request and return the JSON of its reply, or None. Raises CannotCall."""
        return _json(self._send(method, path, json=body, params=query or None, headers=headers))

    def upload(self, path: str, file: Path, query: dict[str, Any]) -> Any:
        """Send a file, a piece at a time, and return the JSON of the reply. Raises CannotCall."""
        with file.open("rb") as content:
            about = {"content-type": "text/csv", "content-length": str(file.stat().st_size)}
            return _json(self._send("POST", path, content=content, params=query, headers=about))

    def download(self, path: str) -> bytes:
        """The content of a reply as it is. Raises CannotCall."""
        reply = self._send("GET", path)
        if reply.is_success:
            return reply.content
        raise CannotCall(_sentence(reply))

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **more)
        except httpx.HTTPError as problem:
            raise CannotCall(
                f"The gateway at {self._at['url']} does not answer ({type(problem).__name__}): see `crossdock status`."
            ) from None


def _json(reply: httpx.Response) -> Any:
    if reply.is_success:
        return reply.json() if reply.content else None
    raise CannotCall(_sentence(reply))


def _sentence(reply: httpx.Response) -> str:
    try:
        body = reply.json()
        return f"{body['message']} {body.get('next', '')}".strip()
    except (ValueError, KeyError, TypeError):
        return f"The gateway answered {reply.status_code} to {reply.request.method} {reply.request.url.path}."
