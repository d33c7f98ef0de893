"""Sealed credentials."""

import base64
from uuid import UUID

import pytest

from gateway.sealing import BadKeys, Sealed, SealingBox, Unsealable

OLD = f"old:{base64.b64encode(b'o' * 32).decode()}"
NEW = f"new:{base64.urlsafe_b64encode(bytes([251]) * 32).decode().rstrip('=')}"
CHANNEL = UUID(int=1)
OTHER = UUID(int=2)


def test_a_secret_opens_for_the_channel_and_kind_it_was_sealed_for() -> None:
    box = SealingBox.from_setting(OLD)
    sealed = box.seal(CHANNEL, "access_token", "sésame")
    assert box.open(CHANNEL, "access_token", sealed) == "sésame"
    assert "sésame".encode() not in sealed.data


@pytest.mark.parametrize(("channel", "kind"), [(OTHER, "access_token"), (CHANNEL, "webhook_secret")])
def test_a_sealed_secret_moved_to_another_row_does_not_open(channel: UUID, kind: str) -> None:
    box = SealingBox.from_setting(OLD)
    sealed = box.seal(CHANNEL, "access_token", "sesame")
    with pytest.raises(Unsealable, match="changed or moved"):
        box.open(channel, kind, sealed)


def test_a_changed_secret_does_not_open() -> None:
    box = SealingBox.from_setting(OLD)
    sealed = box.seal(CHANNEL, "access_token", "sesame")
    with pytest.raises(Unsealable):
        box.open(CHANNEL, "access_token", Sealed(sealed.key_id, sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])))


def test_the_first_key_seals_and_every_key_opens() -> None:
    before = SealingBox.from_setting(OLD).seal(CHANNEL, "api_key", "sesame")
    box = SealingBox.from_setting(f"{NEW}, {OLD}")
    assert box.open(CHANNEL, "api_key", before) == "sesame"
    assert box.seal(CHANNEL, "api_key", "sesame").key_id == "new"


def test_a_secret_whose_key_is_gone_is_named_by_its_key() -> None:
    before = SealingBox.from_setting(OLD).seal(CHANNEL, "api_key", "sesame")
    with pytest.raises(Unsealable, match="sealed with key old, which is not set"):
        SealingBox.from_setting(NEW).open(CHANNEL, "api_key", before)


@pytest.mark.parametrize("setting", ["", " , ", "k1", "k1:", "k1:c2hvcnQ=", ":" + "A" * 43, f"{OLD},{OLD}", "k1:!!!!"])
def test_wrong_keys_are_refused_without_being_quoted(setting: str) -> None:
    with pytest.raises(BadKeys) as problem:
        SealingBox.from_setting(setting)
    assert "c2hvcnQ" not in str(problem.value)


def test_neither_box_nor_sealed_text_print_a_key_or_a_secret() -> None:
    box = SealingBox.from_setting(OLD)
    sealed = box.seal(CHANNEL, "api_key", "sesame")
    assert "data" not in repr(sealed)
    assert base64.b64encode(b"o" * 32).decode() not in repr(box)
