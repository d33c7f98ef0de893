"""What a channel may look like."""

from typing import Any

import pytest

from gateway.domain.channels import Invalid, base_url_of, checked_settings, shop_of


def test_a_shop_is_known_by_its_lower_case_domain() -> None:
    assert shop_of("shopify", " Test-Shop.myshopify.com ") == "test-shop.myshopify.com"


@pytest.mark.parametrize(
    "shop",
    [
        None,
        "",
        "example.com",
        "-x.myshopify.com",
        "a.myshopify.com.example.com",
        "a.b.myshopify.com",
        "a/.myshopify.com",
    ],
)
def test_what_is_no_shop_domain_is_refused(shop: str | None) -> None:
    with pytest.raises(Invalid, match="shop"):
        shop_of("shopify", shop)


def test_only_shopify_channels_have_a_shop() -> None:
    assert shop_of("generic", None) is None
    with pytest.raises(Invalid, match="leave it out"):
        shop_of("generic", "test-shop.myshopify.com")


def test_a_shop_is_called_at_its_own_domain_unless_told_otherwise() -> None:
    assert base_url_of("test-shop.myshopify.com", None) == "https://test-shop.myshopify.com"
    assert base_url_of("test-shop.myshopify.com", "http://127.0.0.1:9/") == "http://127.0.0.1:9"
    assert base_url_of(None, "") == ""


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com", "https://", "https://user:pass@example.com", "https://example.com?x=1", "http://[", "x:y"],
)
def test_what_is_no_plain_address_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(Invalid) as problem:
        base_url_of(None, url)
    assert "pass" not in str(problem.value)


@pytest.mark.parametrize("settings", [{"api_key": "x"}, {"a": {"accessToken": "x"}}, {"a": [{"PASSWORD": "hush"}]}])
def test_settings_travel_in_events_so_a_secret_among_them_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as problem:
        checked_settings(settings)
    assert "hush" not in str(problem.value)


@pytest.mark.parametrize(
    "settings",
    [{"a": "\0"}, {"\0": 1}, {"a": "\ud800"}, {"a": [2**64]}, {"a": object()}],
    ids=["nul", "name", "surrogate", "int", "thing"],
)
def test_settings_that_jsonb_cannot_hold_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="settings"):
        checked_settings(settings)


def test_ordinary_settings_are_kept() -> None:
    settings = {"role": "source", "buffer": 2, "locations": [{"id": "7", "name": "Lager Süd"}]}
    assert checked_settings(settings) == settings
