"""`python -m sandbox` as it is run."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from sandbox.testing import eventually


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def process(*arguments: str) -> Iterator[httpx.Client]:
    port = free_port()
    command = [sys.executable, "-m", "sandbox", "--port", str(port), *arguments]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5, trust_env=False) as client:
            eventually(lambda: healthy(client), 30)
            yield client
    finally:
        running.terminate()
        assert running.stdout is not None
        assert running.stdout.read() == b""
        running.stdout.close()
        assert running.wait(10) in (0, -15)


def healthy(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_it_starts_steers_and_stops_without_a_word() -> None:
    with process("--seed", "7") as client:
        store = {"domain": "one.example.com", "token": "token", "secret": "secret"}
        reply = client.post("/_control/shopify/stores", json=store)
        assert reply.status_code == 201
        assert "secret" not in reply.text
        assert client.get("/_control/quiet").json()["quiet"] is True


def test_without_control_nothing_can_be_steered() -> None:
    with process("--no-control") as client:
        paths = ["quiet", "shopify/stores", "3pl/accounts"]
        assert {client.get(f"/_control/{path}").status_code for path in paths} == {404}
