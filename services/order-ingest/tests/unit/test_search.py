"""How people are found: whatever somebody may type leads to the terms that a recipient was stored under."""

import pytest

from order_ingest.domain.search import email_query, phone_query, query_of, terms_of

PERSON = {
    "address": {
        "name": "Zoë Exämple-Test",
        "company": "Sample GmbH",
        "postcode": "SW1A 1AA",
        "phone": "+49 (0)151 2345",
    },
    "email": "Zoe.Test@Example.com",
}


def test_a_recipient_has_a_term_for_each_word_of_its_name_and_for_each_way_to_reach_it() -> None:
    assert set(terms_of(PERSON)) == {
        "ezoe.test@example.com",
        "nzoe",
        "nexample",
        "ntest",
        "nsample",
        "ngmbh",
        "p5432151094",
        "zsw1a1aa",
    }


def test_a_redacted_recipient_is_found_by_nothing() -> None:
    assert terms_of({}) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("zoë", "('nzoe':*)"),
        ("Zoë Ex", "('nzoe':* & 'nex')"),
        ("Zoe.Test@EXAMPLE.com", "'ezoe.test@example.com':*"),
        ("0151 2345", "('n0151':* & 'n2345':*) | ('p5432151':*) | ('z01512345':*)"),
        ("sw1a 1aa", "('nsw1a':* & 'n1aa':*) | ('zsw1a1aa':*)"),
        ("it's", "('nit' & 'ns')"),
        ("?!", ""),
    ],
)
def test_a_text_is_read_in_every_way_that_it_may_be_meant(typed: str, meant: str) -> None:
    assert query_of(typed) == meant


def test_a_phone_is_the_same_however_it_is_written() -> None:
    stored = next(term for term in terms_of({"address": {"phone": "+49 151 2345678"}}) if term.startswith("p"))
    for typed in ("0151/2345678", "0049 151 2345678", "+49 151 2345678", "151-2345678", "2345678"):
        begins = query_of(typed).split("'p")[1].split("'")[0]
        assert stored[1:].startswith(begins), typed


def test_an_exact_query_takes_no_beginning_for_the_whole() -> None:
    assert email_query("A@example.com") == "'ea@example.com'"
    assert phone_query("+49 151 23") == "'p3215194'"
    assert email_query(" ") == phone_query("12") == ""
