"""Policies on the command line: values as people type them, files, and the difference before it is applied."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from typer.testing import CliRunner

from crossdock.cli.client import CannotCall
from crossdock.cli.commands.policy import mapping_in, settings_in
from crossdock.cli.main import app
from sandbox.testing import serve

CHANNEL = "0190a000-0000-7000-8000-000000000001"
STANDARD = {
    "max_age_days": 90,
    "tag": "",
    "mapping": {"note": "note", "phone": "address"},
    "written_back": {"tag": "", "notify_customer": False},
}


@pytest.mark.parametrize(
    ("pair", "document"),
    [
        ("max_age_days=30", {"max_age_days": 30}),
        ("max_age_days=null", {"max_age_days": None}),
        ("financial_statuses=[paid, authorized]", {"financial_statuses": ["paid", "authorized"]}),
        ("test_orders=true", {"test_orders": True}),
        ("mapping.phone=off", {"mapping": {"phone": "off"}}),
        ("mapping.note=attribute:Gift note", {"mapping": {"note": "attribute:Gift note"}}),
        ("currencies={'*': EUR}", {"currencies": {"*": "EUR"}}),
        ("tag=", {"tag": ""}),
        ("tag=a=b", {"tag": "a=b"}),
    ],
)
def test_a_setting_is_read_as_it_is_typed(pair: str, document: dict[str, Any]) -> None:
    assert settings_in([pair]) == document


def test_what_is_no_setting_and_what_is_no_yaml_is_refused_in_a_sentence() -> None:
    with pytest.raises(CannotCall, match="write name=value"):
        settings_in(["max_age_days"])
    with pytest.raises(CannotCall, match=r"policy.yaml is no YAML \(line 2\)"):
        mapping_in("a: 1\nb: [", "policy.yaml")
    with pytest.raises(CannotCall, match="holds no settings"):
        mapping_in("- 1", "policy.yaml")


class Gateway:
    """Stands in for the gateway with one channel and its policy."""

    def __init__(self) -> None:
        self.url = ""
        self.policy: dict[str, Any] = STANDARD
        self.version = 4
        self.puts: list[tuple[Any, str | None]] = []


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    known, web = Gateway(), FastAPI()

    @web.get("/v1/channels")
    def channels(after: str | None = None) -> list[dict[str, Any]]:
        return [] if after else [{"id": CHANNEL, "name": "Main shop", "state": "connected"}]

    @web.get("/v1/channels/{channel}/policy")
    def policy(channel: str) -> dict[str, Any]:
        return {"channel_id": channel, "channel": "Main shop", "version": known.version, "policy": known.policy}

    @web.api_route("/v1/channels/{channel}/policy", methods=["PUT", "PATCH"])
    async def change(channel: str, request: Request, response: Response, preview: bool = False) -> dict[str, Any]:
        given = json.loads(await request.body())
        parts = {name: STANDARD[name] | given.get(name, {}) for name in ("mapping", "written_back")}
        new = STANDARD | given | parts
        if not preview:
            known.puts.append((given, request.headers.get("if-match")))
            known.policy, known.version = new, known.version + 1
        return {"channel_id": channel, "channel": "Main shop", "version": known.version, "policy": new}

    for url in serve(web):
        monkeypatch.setenv("CROSSDOCK_URL", url)
        monkeypatch.setenv("CROSSDOCK_API_KEY", "key")
        known.url = url
        yield known


@pytest.fixture
def wanted(tmp_path: Path) -> str:
    path = tmp_path / "crossdock.yaml"
    path.write_text("channels:\n  Main shop:\n    policy:\n      max_age_days: 30\n      mapping: {phone: off}\n")
    return str(path)


def run(*words: str, answer: str | None = None) -> Any:
    return CliRunner().invoke(app, list(words), input=answer, env={"COLUMNS": "200"})


def test_a_policy_is_shown_and_changed_by_the_channels_name(gateway: Gateway) -> None:
    assert "max_age_days" in run("channel", "policy", "Main shop").output
    assert run("channel", "policy", "Main shop", "--set", "max_age_days=30").exit_code == 0
    assert gateway.policy["max_age_days"] == 30
    unknown = run("channel", "policy", "Other shop")
    assert (unknown.exit_code, "no connected channel called Other shop" in unknown.output) == (1, True)


def test_apply_shows_the_difference_first_and_changes_nothing_without_a_yes(gateway: Gateway, wanted: str) -> None:
    refused = run("apply", "-f", wanted, answer="n\n")
    assert "mapping.phone" in refused.output
    assert "Nothing was changed." in refused.output
    assert gateway.puts == []
    assert run("apply", "-f", wanted, "--dry-run").exit_code == 0
    assert gateway.puts == []


def test_what_is_written_back_is_named_in_full_where_it_is_shown_and_compared(gateway: Gateway, tmp_path: Path) -> None:
    assert "written_back.notify_customer" in run("channel", "policy", "Main shop").output
    path = tmp_path / "crossdock.yaml"
    path.write_text("channels:\n  Main shop:\n    policy:\n      written_back: {tag: Crossdock}\n")
    shown = [line for line in run("apply", "-f", str(path), "--dry-run").output.splitlines() if "written_back" in line]
    assert ["written_back.tag" in line and "Crossdock" in line for line in shown] == [True]
    assert run("channel", "policy", "Main shop", "--set", "written_back.notify_customer=true").exit_code == 0
    assert gateway.policy["written_back"] == {"tag": "", "notify_customer": True}


def test_apply_writes_over_the_version_that_was_compared_and_is_done_once(gateway: Gateway, wanted: str) -> None:
    assert run("apply", "-f", wanted, "--yes").exit_code == 0
    assert gateway.puts == [({"max_age_days": 30, "mapping": {"phone": "off"}}, '"4"')]
    assert "Nothing to change." in run("apply", "-f", wanted, "--yes").output
    assert len(gateway.puts) == 1


@pytest.mark.parametrize("content", ["[]", "channels: []", "channels: {Main shop: {tag: x}}", "orders: {}"])
def test_a_file_of_another_form_is_refused_in_a_sentence(gateway: Gateway, tmp_path: Path, content: str) -> None:
    path = tmp_path / "crossdock.yaml"
    path.write_text(content)
    reply = run("apply", "-f", str(path), "--yes")
    assert (reply.exit_code, gateway.puts) == (1, [])
