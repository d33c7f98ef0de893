"""Of a hundred thousand changed deliveries of each kind of channel none is let in, and the unchanged one always is.

Seen to fail: a comparison of the decoded bytes lets "the same bits written otherwise" in; one that takes the shorter
text's length lets "the signature cut" in; without the tolerance "too old or too new" is let in.
"""

from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import entry_points

import pytest

from crossdock.channels.model import RawWebhook, Refused, Verified
from crossdock.channels.protocols import WebhookSource
from crossdock.channels.registry import connector
from crossdock.testing.forgeries import SIGNATURES, SIGNERS, forgeries, signed

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BODY = b'{"id":820982911946154508,"note":"a/b","total_price":"10.00"}'
SECRET, OTHER = b"whsec_bWFkZSB1cCBmb3IgdGhlIHRlc3Rz", b"the secret before this one"
NUMBER = 100_000


def kinds() -> list[str]:
    found = {point.name for point in entry_points(group="crossdock.channels")}
    return sorted(kind for kind in found if isinstance(connector(kind), WebhookSource))


def test_every_kind_of_channel_that_takes_webhooks_is_tried() -> None:
    assert set(kinds()) == set(SIGNERS)


@pytest.mark.parametrize("kind", kinds())
def test_no_changed_delivery_is_let_in(kind: str) -> None:
    source = connector(kind)
    good = signed(kind, BODY, SECRET, NOW)
    taken: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    for way, forged in forgeries(good, NUMBER, seed=1):
        ways[way] += 1
        answer = source.verify(RawWebhook(forged.headers, forged.body), (SECRET, OTHER), NOW)
        taken[way] += not isinstance(answer, Refused)
    assert {way: number for way, number in taken.items() if number} == {}
    assert min(ways.values()) > NUMBER / 100
    for secret in (SECRET, OTHER):
        good = signed(kind, BODY, secret, NOW)
        assert isinstance(source.verify(RawWebhook(good.headers, good.body), (SECRET, OTHER), NOW), Verified)


@pytest.mark.parametrize("kind", kinds())
def test_a_refusal_quotes_neither_secret_nor_signature(kind: str) -> None:
    for _, forged in forgeries(signed(kind, BODY, SECRET, NOW), 2_000, seed=2):
        answer = connector(kind).verify(RawWebhook(forged.headers, forged.body), (SECRET,), NOW)
        assert isinstance(answer, Refused)
        assert SECRET.decode() not in answer.reason
        given = forged.headers.get(SIGNATURES[kind], "")
        assert len(given) < 12 or given[-12:] not in answer.reason
