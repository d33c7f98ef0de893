"""The vocabulary: small, stable, and consumed as it says."""

import ast
import copy
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import crossdock.contracts
from crossdock.contracts.compatibility import incompatibilities
from crossdock.contracts.holds import CATALOGUE, HoldCode
from crossdock.contracts.order_ingest import OrderPlaced
from crossdock.contracts.registry import EVENTS

ROOT = Path(__file__).resolve().parents[2]


def test_the_contracts_import_pydantic_and_nothing_else() -> None:
    for file in Path(crossdock.contracts.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                allowed = top in sys.stdlib_module_names or top == "pydantic" or name.startswith("crossdock.contracts")
                assert allowed, f"{file.name} imports {name}"


def test_each_event_is_consumed_by_the_services_that_it_names() -> None:
    services = [point.load() for point in entry_points(group="crossdock.services")]
    assert len(services) == 5
    for kind, event in EVENTS.items():
        handled = {s.name for s in services for handler in s.consumer.handlers if event in handler.events}
        assert handled == set(event.consumers), kind


def test_every_event_type_reads_noun_participle_version() -> None:
    for kind, event in EVENTS.items():
        *noun, participle, version = kind.split(".")
        assert noun
        assert participle
        assert version == "v1"
        assert event.exchange == ("internal" if noun[0] in ("webhook", "recipient", "channel") else "events")


def test_every_hold_has_a_sentence_an_action_and_an_actor() -> None:
    assert set(CATALOGUE) == set(HoldCode)
    for kind in CATALOGUE.values():
        assert kind.sentence
        assert kind.next_action.endswith(".")


def test_the_kept_schemas_are_those_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, "tools/schemas.py", "check", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


SCHEMA = OrderPlaced.model_json_schema(mode="serialization")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s: s["properties"].pop("number"), "event.number was removed"),
        (lambda s: s["properties"].update(number={"type": "integer"}), "event.number was"),
        (lambda s: s["$defs"]["OrderLine"]["properties"].pop("sku"), "OrderLine.sku was removed"),
        (lambda s: s["$defs"]["HoldCode"]["enum"].remove("stock"), "no longer has the values ['stock']"),
    ],
)
def test_a_change_that_breaks_a_subscriber_is_found(change: object, problem: str) -> None:
    changed = copy.deepcopy(SCHEMA)
    change(changed)  # type: ignore[operator]
    assert any(problem in found for found in incompatibilities(SCHEMA, changed))


def test_a_new_field_breaks_nobody() -> None:
    changed = copy.deepcopy(SCHEMA)
    changed["properties"]["priority"] = {"type": "integer"}
    changed["required"].append("priority")
    assert incompatibilities(SCHEMA, changed) == []
