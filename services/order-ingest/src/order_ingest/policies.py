"""Import policies over HTTP: every change is checked, numbered and kept with its author.

A policy is stored on the row of its channel, which every import locks: an order is judged under the old policy or the
new one, and the walk that a change starts (worker `reconsider`) finds every order that was judged under the old one.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Header, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from crossdock.channels.protocols import TagSink
from crossdock.channels.registry import can
from crossdock.contracts.order_ingest import PolicyChanged
from crossdock.messaging.transaction import Tx
from crossdock.service.app import Context, service_guard
from crossdock.service.errors import Problem, not_found
from crossdock.service.tokens import Actor
from order_ingest.domain.policy import ATTRIBUTE, PARTS
from order_ingest.store import channels, policies

HISTORY = 100
LONGEST_TAG = 40
CURRENCY = re.compile(r"[A-Z]{3}")
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")
RULES = {
    "fulfillment_statuses": "a list of unfulfilled, partial, fulfilled and restocked with at least one of them",
    "locations": "a list of at most 200 of the channel's location ids, each once",
    "service_location": "the channel's id of a location, or blank",
    "without_location": "true or false",
    "physical_only": "true or false",
    "first_import_days": "a whole number of days from 1 to 3650, or null for no limit",
    "currencies": "an object from location ids (or *) to currencies of three capital letters",
    "financial_statuses": "a list of at least one of the channel's financial statuses, in lower case",
    "max_age_days": "a whole number of days from 1 to 3650, or null for no limit",
    "scheduled_waits": "true or false",
    "held_waits": "true or false",
    "test_orders": "true or false",
    "cancel_statuses": "a list of the channel's financial or fulfillment statuses, in lower case",
    "mapping": "an object with note, phone, email, company, attributes and service",
    "mapping.note": "note, attribute:<name> or off",
    "mapping.phone": "address, attribute:<name> or off",
    "mapping.email": "order or off",
    "mapping.company": "address or off",
    "mapping.attributes": "all, order or off",
    "mapping.service": "title, code, source or off",
    "written_back": "an object with tag and notify_customer",
    "written_back.tag": "a tag of at most 40 characters without a comma, or blank for none",
    "written_back.notify_customer": "true or false",
    "retention_days": "a whole number of days from 1 to 3650, or null to keep them indefinitely",
}
"""What each setting must be, as the sentence about a wrong one ends."""


def _printable(text: str) -> str:
    if not PRINTABLE.fullmatch(text):
        raise ValueError("holds a character that cannot be stored")
    return text


def _once(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise ValueError("names one twice")
    return values


def _currency(text: str) -> str:
    if not CURRENCY.fullmatch(text):
        raise ValueError("is no currency")
    return text


def _tag(text: str) -> str:
    """A tag as Shopify keeps it: trimmed, at most 40 characters on an order; a comma would make two of it."""
    tag = _printable(text).strip()
    if "," in tag or len(tag) > LONGEST_TAG:
        raise ValueError("is no tag")
    return tag


def _source(plain: str) -> Any:
    def check(text: str) -> str:
        if text not in (plain, "off") and not (text.startswith(ATTRIBUTE) and text != ATTRIBUTE):
            raise ValueError("is no source")
        return _printable(text)

    return Annotated[str, Field(max_length=300), AfterValidator(check)]


Days = Annotated[int, Field(ge=1, le=3650, strict=True)] | None
Flag = Annotated[bool, Field(strict=True)]
PlaceId = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s/]+$"), AfterValidator(_printable)]
Word = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[a-z_]+$")]
Tag = Annotated[str, AfterValidator(_tag)]
Currency = Annotated[str, AfterValidator(_currency)]


class SourcesDocument(BaseModel):
    """Which field of the channel fills which field of the order."""

    model_config = ConfigDict(extra="forbid")

    note: _source("note") = "note"  # type: ignore[valid-type]
    phone: _source("address") = "address"  # type: ignore[valid-type]
    email: Literal["order", "off"] = "order"
    company: Literal["address", "off"] = "address"
    attributes: Literal["all", "order", "off"] = "all"
    service: Literal["title", "code", "source", "off"] = "title"


class WrittenBackDocument(BaseModel):
    """What the channel is told besides tracking."""

    model_config = ConfigDict(extra="forbid")

    tag: Tag = ""
    notify_customer: Flag = False


class PolicyDocument(BaseModel):
    """A whole policy; what is left out is standard. What each setting does: docs/architecture/policies.md."""

    model_config = ConfigDict(extra="forbid")

    fulfillment_statuses: Annotated[
        list[Literal["unfulfilled", "partial", "fulfilled", "restocked"]], Field(min_length=1), AfterValidator(_once)
    ] = ["unfulfilled", "partial", "fulfilled", "restocked"]
    locations: Annotated[list[PlaceId], Field(max_length=200), AfterValidator(_once)] = []
    service_location: PlaceId | Literal[""] = ""
    without_location: Flag = True
    physical_only: Flag = True
    first_import_days: Days = None
    currencies: Annotated[dict[PlaceId | Literal["*"], Currency], Field(max_length=200)] = {}
    financial_statuses: Annotated[list[Word], Field(min_length=1, max_length=50), AfterValidator(_once)] = ["paid"]
    max_age_days: Days = 90
    scheduled_waits: Flag = True
    held_waits: Flag = True
    test_orders: Flag = False
    cancel_statuses: Annotated[list[Word], Field(max_length=50), AfterValidator(_once)] = []
    mapping: SourcesDocument = SourcesDocument()
    written_back: WrittenBackDocument = WrittenBackDocument()
    retention_days: Days = None


Given = Annotated[dict[str, Any], Body()]
IfMatch = Annotated[str | None, Header(max_length=100)]


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(dependencies=[service_guard(context, "order-ingest")], tags=["policies"])

    @routes.get("/channels/{channel_id}/policy")
    async def show_policy(channel_id: UUID, response: Response) -> dict[str, Any]:
        """The policy of a channel, every setting named; the ETag is its version."""
        async with context.transaction() as tx:
            return told(await found(tx, channel_id), response)

    @routes.get("/channels/{channel_id}/policy/history")
    async def show_history(channel_id: UUID) -> dict[str, Any]:
        """The newest changes, newest first: when, by whom, and what the changed settings were before and after."""
        async with context.transaction() as tx:
            await found(tx, channel_id)
            rows = await policies.history(tx, channel_id, HISTORY)
        return {"channel_id": channel_id, "changes": [dict(row) for row in rows]}

    @routes.put("/channels/{channel_id}/policy")
    async def replace_policy(
        channel_id: UUID,
        document: Given,
        response: Response,
        actor: Actor,
        if_match: IfMatch = None,
        preview: bool = False,
    ) -> dict[str, Any]:
        """Replace the whole policy; what is left out becomes standard. With If-Match, only that version. With
        `preview`, only check it and answer what it would be."""
        async with context.transaction() as tx:
            if preview:
                stored = await found(tx, channel_id)
                return told(replace(stored, document=checked(document, stored.kind)), response)
            return told(await change(tx, channel_id, {}, document, if_match, actor), response)

    @routes.patch("/channels/{channel_id}/policy")
    async def change_policy(
        channel_id: UUID, document: Given, response: Response, actor: Actor, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Change the settings that are named. With If-Match, only that version."""
        async with context.transaction() as tx:
            old = (await found(tx, channel_id, lock=True)).document
            return told(await change(tx, channel_id, old, document, if_match, actor), response)

    return routes


async def found(tx: Tx, channel_id: UUID, *, lock: bool = False) -> policies.Stored:
    """The stored policy of a channel. Raises Problem (404)."""
    stored = await policies.load(tx, channel_id, lock=lock)
    if stored is None:
        raise not_found("channel", channel_id, "List the channels; one that was just connected is known in a moment.")
    return stored


async def change(
    tx: Tx, channel_id: UUID, old: Mapping[str, Any], given: Mapping[str, Any], if_match: str | None, actor: str
) -> policies.Stored:
    """Put `given` over `old` and store it as the next version; the open orders are judged again. What changes nothing
    makes no version. Raises Problem: 404, 412 when somebody else changed it meanwhile, 422 with a sentence for each
    wrong setting."""
    stored = await found(tx, channel_id, lock=True)
    if if_match is not None and if_match.strip('W/"') not in (str(stored.version), "*"):
        raise Problem(
            412,
            "policy_changed",
            f"The policy of this channel is at version {stored.version} by now.",
            "Read it again, and repeat your change on what it says.",
        )
    new = checked(merged(old, given), stored.kind)
    before = whole(stored.document)
    if new == before:
        return stored
    changes = {name: {"before": before[name], "after": new[name]} for name in new if new[name] != before[name]}
    result = await policies.store(tx, channel_id, new, changes, actor)
    await channels.reconsider(tx, [channel_id])
    notify = new["written_back"]["notify_customer"]
    tx.publish(PolicyChanged(channel_id=channel_id, policy_version=result.version, notify_customer=notify))
    return result


def merged(old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings over settings; those of `mapping` and `written_back` one by one."""
    result = {**old, **given}
    for name in PARTS:
        inner, before = given.get(name), old.get(name)
        if isinstance(inner, dict) and isinstance(before, dict):
            result[name] = {**before, **inner}
    return result


def whole(document: Mapping[str, Any]) -> dict[str, Any]:
    """A stored policy with every setting named."""
    return PolicyDocument.model_validate(document).model_dump()


def checked(document: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """A whole policy as it is stored for a channel of a kind. Raises Problem (422) with one sentence for each wrong
    setting."""
    try:
        found = whole(document)
        _refuse_tag(found["written_back"]["tag"], kind)
        return found
    except ValidationError as error:
        names = dict.fromkeys(_name_of(one["loc"]) for one in error.errors())
    sentences = " ".join(f"{name} must be {RULES[name]}." for name in names if name in RULES)
    unknown = [name for name in names if name not in RULES]
    if unknown:
        sentences += f" {', '.join(unknown[:5])}: there is no such setting."
    raise Problem(
        422, "invalid_policy", sentences.strip(), f"Correct it; the settings are {', '.join(n for n in RULES)}."
    )


def _refuse_tag(tag: str, kind: str) -> None:
    """Refuse a tag for channels that take none. Raises Problem (422)."""
    if tag and not can(kind, TagSink):
        sentence = f"Channels of kind {kind} take no tags on their orders."
        raise Problem(422, "no_tags", sentence, "Leave written_back.tag blank.")


def _name_of(place: tuple[int | str, ...]) -> str:
    """The setting that a wrong value belongs to. A name that is none of ours is told, shortened."""
    name = str(place[0])
    if name in PARTS and len(place) > 1:
        name = f"{name}.{place[1]}"
    return name if name in RULES else "".join(filter(str.isprintable, name))[:60]


def told(stored: policies.Stored, response: Response) -> dict[str, Any]:
    """A policy as people read it."""
    response.headers["etag"] = f'"{stored.version}"'
    return {
        "channel_id": stored.channel_id,
        "channel": stored.name,
        "version": stored.version,
        "policy": whole(stored.document),
    }
