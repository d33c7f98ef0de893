"""What a failure is taken for: the message's fault, or an outage that no message may pay for."""

import asyncpg
import pytest

from crossdock.messaging.failures import Verdict, explain, judge


@pytest.mark.parametrize(
    "refusal",
    [
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.InvalidPasswordError("password authentication failed"),
        asyncpg.InterfaceError("connection is closed"),
    ],
)
def test_a_postgres_that_takes_no_connections_is_an_outage(refusal: Exception) -> None:
    """Such errors reach us as the driver raised them. Taken for the message's fault, they ended every consumer when
    Postgres came back from a crash and was still recovering."""
    assert judge(refusal) is Verdict.PAUSE
    assert explain(refusal).startswith(type(refusal).__name__)
    assert str(refusal) not in explain(refusal)


def test_a_value_that_the_driver_cannot_send_counts_against_the_message() -> None:
    assert judge(asyncpg.DataError("invalid input for query argument $1: 5000000000")) is Verdict.MESSAGE


def test_a_statement_that_a_migration_made_stale_is_run_again() -> None:
    assert judge(asyncpg.InvalidCachedStatementError("cached statement plan is invalid")) is Verdict.RERUN


def test_a_mistake_of_a_handler_counts_against_the_message() -> None:
    assert judge(KeyError("sku")) is Verdict.MESSAGE
