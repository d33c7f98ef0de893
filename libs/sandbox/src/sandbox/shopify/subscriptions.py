"""Webhook subscriptions made through the API, with the refusals that live stores answer."""

import re
from typing import Any
from urllib.parse import urlsplit

from sandbox.clock import second
from sandbox.shopify import catalog_views as catalog
from sandbox.shopify.app import topic_allowed
from sandbox.shopify.context import Context, Info, number_in
from sandbox.shopify.filtering import BadFilter, parse
from sandbox.shopify.state import Store, Subscription

View = dict[str, Any]
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def uri_problem(store: Store, uri: str, topic: str, own: int | None = None) -> str | None:
    """Why an address is refused. Plain http passes on loopback alone, where tests listen."""
    if not uri.strip():
        return "Address can't be blank"
    parts = urlsplit(uri)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return f"Address protocol {parts.scheme}:// is not supported"
    for one in store.subscriptions.values():
        if one.by_api and one.id != own and (one.topic, one.uri) == (topic, uri):
            return "Address for this topic has already been taken"
    return None


def problems(store: Store, given: dict[str, Any], uri: str, topic: str, own: int | None = None) -> list[View]:
    """The user errors of a create or update."""
    found: list[tuple[str, str]] = []
    if (problem := uri_problem(store, uri, topic, own)) is not None:
        found.append(("callbackUrl", problem))
    name = given.get("name")
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        found.append(("name", "Name name field can only contain alphanumeric characters, underscores, and hyphens"))
    if given.get("format") == "XML":
        found.append(("format", "Format 'xml' is invalid for this webhook topic. Allowed formats: json"))
    if given.get("filter"):
        try:
            parse(given["filter"])
        except BadFilter:
            message = "The specified filter is invalid, please ensure you specify the field(s) you wish to filter on."
            return [{"field": ["webhookSubscription"], "message": message}]
    return [{"field": ["webhookSubscription", field], "message": message} for field, message in found]


def create(_root: Any, info: Info, **args: Any) -> View:
    """`webhookSubscriptionCreate`."""
    context: Context = info.context
    given, topic = args["webhookSubscription"], args["topic"]
    uri = given.get("uri") or given.get("callbackUrl") or ""
    if not topic_allowed(topic, context.store.settings.scopes):
        message = f"You do not have permission to create or update webhooks with {topic} topic."
        return {"webhookSubscription": None, "userErrors": [{"field": ["topic"], "message": message}]}
    if errors := problems(context.store, given, uri, topic):
        return {"webhookSubscription": None, "userErrors": errors}
    made = Subscription(context.store.ids.next(), topic, uri)
    _apply(made, given)
    context.store.subscriptions[made.id] = made
    return {"webhookSubscription": catalog.subscription(context.store, made), "userErrors": []}


def update(_root: Any, info: Info, **args: Any) -> View:
    """`webhookSubscriptionUpdate`."""
    context: Context = info.context
    given = args["webhookSubscription"]
    found = context.store.subscriptions.get(number_in(args["id"], "WebhookSubscription"))
    if found is None:
        error = {"field": ["id"], "message": "Webhook subscription does not exist"}
        return {"webhookSubscription": None, "userErrors": [error]}
    uri = next((given[key] for key in ("uri", "callbackUrl") if given.get(key) is not None), found.uri)
    if errors := problems(context.store, given, uri, found.topic, found.id):
        return {"webhookSubscription": None, "userErrors": errors}
    found.uri, found.updated_at = uri, second()
    _apply(found, given)
    return {"webhookSubscription": catalog.subscription(context.store, found), "userErrors": []}


def delete(_root: Any, info: Info, **args: Any) -> View:
    """`webhookSubscriptionDelete`."""
    context: Context = info.context
    if context.store.subscriptions.pop(number_in(args["id"], "WebhookSubscription"), None) is None:
        error = {"field": ["id"], "message": "Webhook subscription does not exist"}
        return {"deletedWebhookSubscriptionId": None, "userErrors": [error]}
    return {"deletedWebhookSubscriptionId": args["id"], "userErrors": []}


def _apply(one: Subscription, given: dict[str, Any]) -> None:
    for key, name in (("includeFields", "include_fields"), ("filter", "filter"), ("name", "name")):
        if key in given:
            setattr(one, name, given[key])
    one.include_fields = one.include_fields or []
