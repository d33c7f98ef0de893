"""Seals credentials with AES-256-GCM: what lies in the database is useless without a key from the environment.

A sealed text opens only for the channel and kind it was sealed for, so rows cannot be swapped.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


class BadKeys(ValueError):
    """The setting holds no usable keys; the text never quotes them."""


class Unsealable(LookupError):
    """A credential that no key opens; the text is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is stored: the id of the key, and nonce plus ciphertext."""

    key_id: str
    data: bytes = field(repr=False)


def _decoded(encoded: str) -> bytes:
    """Base64 in either alphabet, padded or not; empty when it is none."""
    plain = encoded.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return b""


def _about(channel_id: UUID, kind: str) -> bytes:
    return f"{channel_id}/{kind}".encode()


class SealingBox:
    """Several keys: the first seals, all of them open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self.current = next(iter(keys))

    @classmethod
    def from_setting(cls, setting: str) -> "SealingBox":
        """Read `id:base64,id:base64`. Raises BadKeys."""
        keys: dict[str, bytes] = {}
        for part in filter(None, (piece.strip() for piece in setting.split(","))):
            name, _, encoded = part.partition(":")
            key = _decoded(encoded)
            if not name or len(key) != KEY_BYTES or name in keys:
                raise BadKeys("CROSSDOCK_SEALING_KEYS: each key is `id:base64 of 32 random bytes`, each id once")
            keys[name] = key
        if not keys:
            raise BadKeys("CROSSDOCK_SEALING_KEYS: give at least one key, `id:base64 of 32 random bytes`")
        return cls(keys)

    def seal(self, channel_id: UUID, kind: str, secret: str) -> Sealed:
        """Seal a secret of a channel with the first key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        data = self._keys[self.current].encrypt(nonce, secret.encode(), _about(channel_id, kind))
        return Sealed(self.current, nonce + data)

    def open(self, channel_id: UUID, kind: str, sealed: Sealed) -> str:
        """The secret in clear. Raises Unsealable."""
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Unsealable(f"a {kind} of channel {channel_id} was sealed with key {sealed.key_id}, which is not set")
        try:
            clear = key.decrypt(sealed.data[:NONCE_BYTES], sealed.data[NONCE_BYTES:], _about(channel_id, kind))
        except InvalidTag:
            raise Unsealable(
                f"a {kind} of channel {channel_id} does not open with key {sealed.key_id}: it was changed or moved"
            ) from None
        return clear.decode()
