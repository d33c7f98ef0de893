"""A destination's reason may quote the recipient; what is told on does not."""

import pytest

from fulfillment.domain.privacy import without_recipient

RECIPIENT = {
    "address": {
        "name": "Test Person", "company": "", "street": ["1 Test-Street", "Floor 5"], "city": "Sample Town",
        "region": "Munster", "postcode": "T12 AB34", "country": "IE", "phone": "+353 21 555 0123",
    },
    "email": "test.person@example.com",
    "note": "Please ring twice",
    "attributes": [["Gift", "For Somebody Else"]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Test Person cannot be reached", "… … cannot be reached"),
        ("no such street: 1 TEST-STREET, Sample Town (AB34)", "no such street: 1 …, … … (…)"),
        ("mail to test.person@example.com bounced", "mail to … bounced"),
        ("+353215550123 does not answer", "… does not answer"),
        ("(021) 555-0123 does not answer", "(… does not answer"),
        ("the note says ring twice", "the note says … …"),
        ("2 of SHIRT-M are out of stock until 2026-11-30", "2 of SHIRT-M are out of stock until 2026-11-30"),
        ("we do not ship to IE", "we do not ship to IE"),
        ("", ""),
    ],
)
def test_no_word_of_the_recipient_is_told_on(said: str, told: str) -> None:
    assert without_recipient(said, RECIPIENT) == told


def test_without_a_recipient_a_reason_stays_as_it_is() -> None:
    assert without_recipient("Test Person cannot be reached", None) == "Test Person cannot be reached"
