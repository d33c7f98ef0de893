"""Tell whether a server answers; it asks the protocol, since an open port is not yet a server that works."""

import http.client
import socket
from urllib.parse import urlsplit

_AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
_AMQP_METHOD_FRAME = b"\x01"
_POSTGRES_AUTHENTICATION = b"R"


def answers(url: str, *, timeout: float = 2.0) -> bool:
    """Return whether the server behind `url` is ready to work.

    `http://…` is ready when GET gives 200; `amqp://host:port` when the broker opens the AMQP 0-9-1 handshake
    (Connection.Start); `postgresql://host:port` when it asks a user to authenticate, which a server that is still
    starting or recovering refuses with 57P03 (protocol 3.0, StartupMessage).
    """
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    if host is None or port is None:
        raise ValueError(f"A readiness URL needs a host and a port, and {url!r} lacks one.")
    try:
        match parts.scheme:
            case "http":
                return _http_status(host, port, parts.path or "/", timeout) == 200
            case "amqp":
                return _first_byte(host, port, _AMQP_HEADER, timeout) == _AMQP_METHOD_FRAME
            case "postgresql":
                return _first_byte(host, port, _startup_message(), timeout) == _POSTGRES_AUTHENTICATION
    except (OSError, http.client.HTTPException):
        return False
    raise ValueError(f"A readiness URL is http, amqp or postgresql, not {parts.scheme!r}.")


def _http_status(host: str, port: int, path: str, timeout: float) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def _first_byte(host: str, port: int, greeting: bytes, timeout: float) -> bytes:
    with socket.create_connection((host, port), timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(greeting)
        return connection.recv(1)


def _startup_message() -> bytes:
    body = (3 << 16).to_bytes(4, "big") + b"user\x00crossdock\x00database\x00postgres\x00\x00"
    return (len(body) + 4).to_bytes(4, "big") + body
