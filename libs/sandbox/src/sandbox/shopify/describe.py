"""Compact descriptions of products and orders, as `/_control` takes them; unknown keys are refused."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Description(BaseModel):
    """Base of all descriptions."""

    model_config = ConfigDict(extra="forbid")


class VariantDescription(Description):
    """One variant; `sku` None or blank is allowed, and so is one that another variant carries. `id`: a variant of the
    product as it was goes on with these values."""

    id: int | None = None
    sku: str | None = None
    title: str = "Default Title"
    price: Decimal = Decimal("10.00")
    barcode: str | None = None
    requires_shipping: bool = True
    tracked: bool = True
    grams: int = 100
    location: str | None = None
    available: int = 0


class ProductDescription(Description):
    """A product; with `id` set, the change of a known one: only the fields given are replaced."""

    id: int | None = None
    title: str | None = None
    vendor: str = "Sandbox"
    product_type: str = "Goods"
    status: str = "ACTIVE"
    tags: list[str] = []
    variants: list[VariantDescription] | None = None
    webhooks: list[str] | None = None


class TaxDescription(Description):
    """A tax on every taxable line and on shipping."""

    title: str = "Tax"
    rate: Decimal


class DiscountDescription(Description):
    """A discount of the whole order: an amount, a percentage, or free shipping; with a code or a title."""

    code: str | None = None
    title: str = "Discount"
    amount: Decimal | None = None
    percentage: Decimal | None = None
    free_shipping: bool = False


class LineDescription(Description):
    """A line by variant id, by SKU (the first variant that carries it), or a custom line by title."""

    sku: str | None = None
    variant_id: int | None = None
    title: str | None = None
    custom: bool = False
    quantity: int = 1
    price: Decimal | None = None
    requires_shipping: bool | None = None
    gift_card: bool = False
    taxable: bool = True
    discount: Decimal = Decimal(0)
    properties: dict[str, str] = {}
    location: str | None = None
    tax_rate: Decimal | None = None
    bundle: str | None = None


class ShippingDescription(Description):
    """A shipping line."""

    title: str = "Standard"
    price: Decimal = Decimal(0)
    code: str | None = None


class OrderDescription(Description):
    """An order. `webhooks` names the topics to send: left out, the usual ones; an empty list, none."""

    lines: list[LineDescription]
    name: str | None = None
    presentment_currency: str | None = None
    presentment_rate: Decimal = Decimal(1)
    financial_status: str = "PAID"
    shipping: list[ShippingDescription] = [ShippingDescription(price=Decimal("5.00"))]
    taxes: list[TaxDescription] = []
    taxes_included: bool = False
    discount: DiscountDescription | None = None
    note: str | None = None
    note_attributes: dict[str, str] = {}
    tags: list[str] = []
    test: bool = False
    source_name: str = "web"
    source_identifier: str | None = None
    email: str | None = None
    phone: str | None = None
    customer: dict[str, Any] | None = Field(default_factory=dict)
    shipping_address: dict[str, Any] | None = Field(default_factory=dict)
    billing_address: dict[str, Any] | None = Field(default_factory=dict)
    created_at: datetime | None = None
    fulfillment_order_delay: float | None = None
    webhooks: list[str] | None = None
