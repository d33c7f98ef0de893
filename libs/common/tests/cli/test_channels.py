"""Connecting and looking after channels on the command line: secrets are never arguments and never printed."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from typer.testing import CliRunner

from crossdock.cli.main import app
from sandbox.testing import serve

CHANNEL = "0190a000-0000-7000-8000-000000000001"
SHOP = "test-shop.myshopify.com"
WAREHOUSE: dict[str, Any] = {
    "id": CHANNEL[:-1] + "2",
    "name": "Depot",
    "state": "connected",
    "settings": {"role": "destination"},
}
STORE: dict[str, Any] = {"id": CHANNEL, "name": "test-shop", "state": "connected", "settings": {}}
REPORT = {
    "ok": False,
    "steps": [
        {"what": "access", "ok": True, "says": "The channel lets us in"},
        {"what": "scopes", "ok": False, "says": "Access scopes are missing: without read_products, …"},
    ],
}
LINK = {"url": "https://shop/approve", "redirect_uri": "https://hub/back", "expires_at": "2026-11-21T12:00"}
CONNECTION = {
    "access_by": "approval",
    "authorized_at": "2026-11-21T12:00:00Z",
    "token_expires_at": "2026-11-21T13:00:00Z",
    "checked_at": "2026-11-21T12:01:00Z",
    "check_due_at": "2026-11-21T12:16:00Z",
    "report": REPORT,
    "fulfillment_service": {"name": "Hub", "id": "1", "location": "77"},
    "repairs": [{"at": "2026-11-21T11:00:00+00:00", "topics": ["orders/create"]}],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, Any]]]:
    """What a gateway that answers everything was asked."""
    calls: list[tuple[str, str, Any]] = []
    web = FastAPI()
    service = {"name": "Hub", "service_id": "1", "location": "77", "locations": ["5"]}

    @web.get("/v1/channels")
    async def channels(after: str | None = None) -> Any:
        return [] if after else [WAREHOUSE, STORE]

    @web.get("/v1/channels/{channel_id}")
    async def channel(channel_id: str) -> Any:
        return WAREHOUSE if channel_id == WAREHOUSE["id"] else STORE

    @web.api_route("/{path:path}", methods=["GET", "POST", "PATCH", "DELETE"])
    async def answer(path: str, request: Request) -> Any:
        body = await request.json() if await request.body() else None
        calls.append((request.method, f"/{path}", body))
        match path.split("/")[-1]:
            case "authorize":
                return LINK
            case "connection":
                return CONNECTION
            case "test" | "repair":
                return REPORT
            case "service":
                calls[-1] = (request.method, f"/{path}", body or dict(request.query_params))
                return service
            case "reset":
                return {"resets": 1, "subscriptions_removed": 12, "report": None}
            case "sealing-keys" | "rotate":
                return {"current": "k2", "sealed": {"k1": 1, "k2": 4}}
        if request.method == "DELETE":
            return {"channel_id": CHANNEL, "left": "Our fulfillment service Hub may stay."}
        return {"id": CHANNEL, "name": "test-shop"}

    for url in serve(web):
        monkeypatch.setenv("CROSSDOCK_URL", url)
        monkeypatch.setenv("CROSSDOCK_API_KEY", "xd_test")
        monkeypatch.delenv("CROSSDOCK_CLIENT_SECRET", raising=False)
        yield calls


def run(*words: str, typed: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words), input=typed)
    return done.exit_code, done.output


def test_an_approval_is_handed_out_as_a_link(asked: Any) -> None:
    code, out = run("channel", "connect", "shopify", "--shop", SHOP, "--client-id", "app-1", typed="hush\n")
    assert (code, "https://shop/approve" in out, "https://hub/back" in out, "hush" in out) == (0, True, True, False)
    [(method, path, body)] = asked
    assert (method, path, body["client_secret"]) == ("POST", "/v1/channels/authorize", "hush")


def test_a_token_or_credentials_connect_at_once_and_are_checked(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run("channel", "connect", "shopify", "--shop", SHOP, "--by", "token", typed="tok\nsec\n")
    monkeypatch.setenv("CROSSDOCK_CLIENT_SECRET", "hush")
    run("channel", "connect", "shopify", "--shop", SHOP, "--by", "client_credentials", "--client-id", "app-1")
    bodies = [body for _, path, body in asked if path == "/v1/channels"]
    assert bodies[0]["secrets"] == {"access_token": "tok", "webhook_secret": "sec"}
    assert (bodies[1]["access_by"], bodies[1]["secrets"]) == ("client_credentials", {"client_secret": "hush"})
    assert [path for _, path, _ in asked].count(f"/v1/channels/{CHANNEL}/repair") == 2
    assert run("channel", "connect", "shopify", "--shop", SHOP, "--by", "magic")[0] == 1
    assert "--client-id" in run("channel", "connect", "shopify", "--shop", SHOP)[1]


def test_the_warehouse_that_ships_is_named_when_a_store_is_connected_and_later(asked: Any) -> None:
    connect = ("channel", "connect", "shopify", "--shop", SHOP, "--client-id", "app-1", "--destination")
    assert run(*connect, "Depot", typed="hush\n")[0] == 0
    assert run(*connect[:-1], "--by", "token", "--destination", WAREHOUSE["id"], typed="tok\nsec\n")[0] == 0
    assert run("channel", "change", "test-shop", "--destination", "Depot", "--name", "Main")[0] == 0
    assert run("channel", "change", CHANNEL, "--destination", "")[0] == 0
    bodies = [body for method, path, body in asked if method in ("POST", "PATCH") and not path.endswith("repair")]
    chosen = {"destination": WAREHOUSE["id"]}
    assert [body["settings"] for body in bodies] == [chosen, chosen, chosen, {"destination": None}]
    assert [body.get("name") for body in bodies[2:]] == ["Main", None]


def test_what_is_no_warehouse_is_not_taken_for_one(asked: Any) -> None:
    for words, said in (
        (("--destination", "test-shop"), "ships nothing"),
        (("--destination", "Nowhere"), "no connected channel called Nowhere"),
        ((), "give --name or --destination"),
    ):
        code, out = run("channel", "change", CHANNEL, *words)
        assert (code, said in " ".join(out.split())) == (1, True), out
    assert asked == []


def test_a_test_says_what_is_missing_and_fails(asked: Any) -> None:
    code, out = run("channel", "test", CHANNEL)
    assert (code, "not ok" in out, "without read_products" in out) == (1, True, True)
    code, out = run("channel", "show", CHANNEL)
    assert (code, "Repaired 2026-11-21 11:00:00 UTC: subscribed anew to orders/create" in out) == (0, True)


def test_what_is_hard_to_undo_is_asked_first(asked: Any) -> None:
    for command in ("reset", "disconnect"):
        assert run("channel", command, CHANNEL, typed="n\n")[0] == 1
        assert asked == []
    assert run("channel", "reset", CHANNEL, "--yes")[0] == 0
    code, out = run("channel", "disconnect", CHANNEL, "--yes")
    assert (code, "Our fulfillment service Hub may stay." in out) == (0, True)
    assert [path.split("/")[-1] for _, path, _ in asked] == ["reset", CHANNEL]


def test_a_service_is_registered_and_says_what_else_stays_ours(asked: Any) -> None:
    code, out = run("channel", "service", "register", CHANNEL, "--name", "Hub")
    told = " ".join(out.split())
    assert (code, "at its location 77" in told, "also the locations 5" in told) == (0, True, True)
    assert asked == [("POST", f"/v1/channels/{CHANNEL}/service", {"name": "Hub", "only": False})]
    assert "location 77" in run("channel", "show", CHANNEL)[1]


def test_ending_a_service_says_what_becomes_of_its_stock_and_asks(asked: Any) -> None:
    assert run("channel", "service", "unregister", CHANNEL, typed="n\n")[0] == 1
    assert run("channel", "service", "unregister", CHANNEL, "--stock", "transfer")[0] == 1
    assert asked == []
    code, out = run("channel", "service", "unregister", CHANNEL, "--stock", "transfer", "--to", "5", "--yes")
    assert (code, "go to location 5" in out, "nothing becomes ours" in out.replace("\n", " ")) == (0, True, True)
    assert asked == [("DELETE", f"/v1/channels/{CHANNEL}/service", {"stock": "transfer", "to": "5"})]


def test_rotation_says_which_keys_are_still_needed(asked: Any) -> None:
    code, out = run("keys", "rotate")
    assert (code, "Still needed: k1" in out) == (1, True)
    assert run("keys", "new", "k3")[1].startswith("k3:")
