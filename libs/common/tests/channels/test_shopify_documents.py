"""Our GraphQL documents are valid on Shopify's schema, and each is sent with just the fragments it uses."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from crossdock.channels.shopify.documents import is_mutation, operations

QUERIES = Path(str(files("crossdock.channels.shopify") / "queries"))


def test_the_documents_pass_the_reference_validator(reference: Path) -> None:
    validator = reference / "shopify" / "validate_operations.py"
    if not validator.is_file():
        pytest.skip(f"no {validator}")
    checked = subprocess.run([sys.executable, str(validator), str(QUERIES)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout
    assert "0 errors, 0 deprecated fields" in checked.stdout


def test_every_sent_operation_stands_alone_on_the_schema(reference: Path) -> None:
    graphql = pytest.importorskip("graphql")
    path = reference / "shopify" / "admin_schema_2026-10.graphql"
    if not path.is_file():
        pytest.skip(f"no {path}")
    schema = graphql.build_schema(path.read_text(), assume_valid=True)
    for name, document in operations().items():
        assert graphql.validate(schema, graphql.parse(document)) == [], name


def test_each_file_holds_one_operation_named_after_it() -> None:
    names = {one.stem.replace("_", "") for one in QUERIES.glob("*.graphql")} - {"fragments"}
    assert {name.lower() for name in operations()} == names


def test_writes_are_told_from_reads() -> None:
    assert {name for name in operations() if is_mutation(name)} == {
        "BacklogStart",
        "CancellationRequestAccept",
        "CancellationRequestReject",
        "FulfillmentCreate",
        "TagsAdd",
        "FulfillmentRequestAccept",
        "FulfillmentRequestReject",
        "FulfillmentServiceCreate",
        "FulfillmentServiceDelete",
        "FulfillmentServiceUpdate",
        "WebhookSubscriptionCreate",
        "WebhookSubscriptionDelete",
    }
