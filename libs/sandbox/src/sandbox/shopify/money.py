"""Amounts as Shopify writes them: a shop and a presentment side, `Decimal` inside, never a float."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

ZERO_DECIMALS = frozenset(
    (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    )
)
THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


def decimals(currency: str) -> int:
    """Digits after the point that amounts of `currency` have (ISO 4217)."""
    if currency in ZERO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 2


def rounded(amount: Decimal, currency: str) -> Decimal:
    """`amount` in whole minor units of `currency`, half up."""
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_HALF_UP)


def rest(amount: Decimal, currency: str) -> str:
    """An amount in REST and webhook form: `13.50`, and `5900` in a currency without decimals."""
    return str(rounded(amount, currency))


def graphql(amount: Decimal) -> str:
    """An amount in GraphQL form, without trailing zeros but one: `13.5`, `9.0`."""
    text = format(amount.normalize(), "f")
    return text if "." in text else f"{text}.0"


@dataclass(frozen=True, slots=True)
class Currencies:
    """The shop's currency, the buyer's, and how many of the buyer's units one unit of the shop's is."""

    shop: str
    presentment: str
    rate: Decimal = Decimal(1)

    def bag(self, amount: Decimal) -> "Bag":
        """Both sides of an amount given in the shop's currency."""
        return Bag(rounded(amount, self.shop), rounded(amount * self.rate, self.presentment), self)


@dataclass(frozen=True, slots=True)
class Bag:
    """One amount in both currencies. Sums are taken per side, so that totals add up in each."""

    shop: Decimal
    presentment: Decimal
    currencies: Currencies

    def __add__(self, other: "Bag") -> "Bag":
        return Bag(self.shop + other.shop, self.presentment + other.presentment, self.currencies)

    def __sub__(self, other: "Bag") -> "Bag":
        return Bag(self.shop - other.shop, self.presentment - other.presentment, self.currencies)

    def times(self, factor: int | Decimal) -> "Bag":
        """The amount `factor` times, rounded to minor units on each side."""
        return Bag(
            rounded(self.shop * factor, self.currencies.shop),
            rounded(self.presentment * factor, self.currencies.presentment),
            self.currencies,
        )

    def rest(self) -> str:
        """The shop's side in REST form."""
        return rest(self.shop, self.currencies.shop)

    def rest_set(self) -> dict[str, Any]:
        """Both sides as a REST `…_set`."""
        return {
            "shop_money": {"amount": self.rest(), "currency_code": self.currencies.shop},
            "presentment_money": {
                "amount": rest(self.presentment, self.currencies.presentment),
                "currency_code": self.currencies.presentment,
            },
        }

    def graphql_bag(self) -> dict[str, Any]:
        """Both sides as a GraphQL MoneyBag."""
        return {
            "shopMoney": {"amount": graphql(self.shop), "currencyCode": self.currencies.shop},
            "presentmentMoney": {"amount": graphql(self.presentment), "currencyCode": self.currencies.presentment},
        }


def total(bags: list[Bag], currencies: Currencies) -> Bag:
    """The sum of `bags`; nothing in both currencies when there are none."""
    result = currencies.bag(Decimal(0))
    for bag in bags:
        result += bag
    return result


def split(bag: Bag, weights: list[Bag]) -> list[Bag]:
    """Share `bag` among `weights` in minor units, as Shopify spreads a discount: uneven, the sum exact."""
    whole = total(weights, bag.currencies)
    parts: list[Bag] = []
    left, left_weight = bag, whole
    for weight in weights:
        part = left.times(weight.shop / left_weight.shop) if left_weight.shop else bag.times(0)
        parts.append(part)
        left, left_weight = left - part, left_weight - weight
    return parts
