"""A command that fails says what failed, and not something else."""

import asyncio
import socket
from pathlib import Path

import pytest
import typer
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from crossdock.cli.terminal import one_sentence
from crossdock.storage.roles import bootstrap, wall_off


def told(problem: Exception, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(typer.Exit) as ended, one_sentence():
        raise problem
    assert ended.value.exit_code == 1
    return capsys.readouterr().err.strip()


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), one_sentence():
        (tmp_path / "absent.csv").read_bytes()
    said = capsys.readouterr().err
    assert "absent.csv: No such file or directory" in said
    assert "Postgres" not in said


def test_a_file_that_may_not_be_used_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(PermissionError(13, "Permission denied", "/etc/secret"), capsys) == (
        "/etc/secret: Permission denied. Then try again: ask for the right to use it."
    )


async def test_a_server_that_does_not_answer_is_named_by_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), one_sentence():
        await asyncio.open_connection("127.0.0.1", 1)
    assert "Nobody takes connections at 127.0.0.1:1" in capsys.readouterr().err


def test_an_unknown_host_and_a_broken_connection_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "check the host in its URL" in told(socket.gaierror(-2, "Name or service not known"), capsys)
    assert "ConnectionResetError" in told(ConnectionResetError(104, "Connection reset by peer"), capsys)


def test_only_what_postgres_refused_is_told_of_postgres(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(OperationalError("SELECT secret", {}, Exception("no")), capsys)
    assert said.startswith("Postgres did not do what it was asked")
    assert "SELECT" not in said


@pytest.mark.parametrize(
    ("user", "database", "reason"), [("nobody", None, "SQLSTATE 28"), (None, "absent", "SQLSTATE 3D000")]
)
async def test_a_url_that_postgres_does_not_take_is_told(
    user: str | None, database: str | None, reason: str, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = make_url(postgres_url).set(username=user, database=database).render_as_string(hide_password=False)
    with pytest.raises(typer.Exit), one_sentence():
        await bootstrap(url, "postgres", {})
    said = capsys.readouterr().err
    assert "Postgres did not do what it was asked" in said
    assert reason in said


async def test_a_statement_that_postgres_refuses_is_told_by_its_state(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), one_sentence():
        await wall_off(postgres_url, "postgres", ["absent"])
    assert "(UndefinedObjectError: SQLSTATE 42704)" in capsys.readouterr().err
