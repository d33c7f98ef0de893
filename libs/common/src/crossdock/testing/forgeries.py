"""Webhooks that nobody signed: every way that comes to mind of changing a signed delivery so that it must be refused.

The signatures are computed here, not by the code under test. A signature of Shopify covers the body alone: a topic or
an id that was changed cannot be told from the real one, and is no forgery here.
"""

import base64
import hashlib
import hmac
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

Headers = dict[str, str]
WHSEC = b"whsec_"


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def sign_as_shopify(body: bytes, secret: bytes, now: datetime, algorithm: str = "sha256") -> Headers:
    """https://shopify.dev/docs/apps/build/webhooks/subscribe/https: base64 of HMAC-SHA256 over the raw body."""
    digest = hmac.new(secret, body, algorithm).digest()
    return {"x-shopify-topic": "orders/create", "x-shopify-webhook-id": "d1", "x-shopify-hmac-sha256": _base64(digest)}


def sign_as_standard_webhooks(body: bytes, secret: bytes, now: datetime, algorithm: str = "sha256") -> Headers:
    """https://www.standardwebhooks.com: `v1,` and base64 of HMAC-SHA256 over id.timestamp.body."""
    key = base64.b64decode(secret.removeprefix(WHSEC)) if secret.startswith(WHSEC) else secret
    at = str(int(now.timestamp()))
    digest = hmac.new(key, b"msg_1." + at.encode() + b"." + body, algorithm).digest()
    return {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": f"v1,{_base64(digest)}"}


SIGNERS: dict[str, Callable[..., Headers]] = {"shopify": sign_as_shopify, "generic": sign_as_standard_webhooks}
SIGNATURES = {"shopify": "x-shopify-hmac-sha256", "generic": "webhook-signature"}
"""By channel kind: how its deliveries are signed, and the header that carries the signature."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A delivery that a channel of this kind accepts at this time, and the secret that signed it."""

    kind: str
    secret: bytes
    now: datetime
    headers: Headers
    body: bytes

    @property
    def value(self) -> str:
        """The signature without its version."""
        return self.headers[SIGNATURES[self.kind]].rpartition(",")[2]

    def with_value(self, value: str) -> "Signed":
        """The same delivery under another signature."""
        name = SIGNATURES[self.kind]
        version = "v1," if self.headers[name].startswith("v1,") else ""
        return replace(self, headers={**self.headers, name: version + value})

    def with_headers(self, **headers: str) -> "Signed":
        """The same delivery with other headers."""
        return replace(self, headers=self.headers | {name.replace("_", "-"): value for name, value in headers.items()})


def signed(kind: str, body: bytes, secret: bytes, now: datetime) -> Signed:
    """A delivery as the channel sends it."""
    return Signed(kind, secret, now, SIGNERS[kind](body, secret, now), body)


def forgeries(good: Signed, number: int, seed: int) -> Iterator[tuple[str, Signed]]:
    """So many deliveries that must be refused where `good` is accepted, each with the name of what was done to it."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice
    names = sorted(_WAYS if good.kind != "generic" else {**_WAYS, **_WAYS_OF_STANDARD_WEBHOOKS})
    while number > 0:
        name = chance.choice(names)
        made = {**_WAYS, **_WAYS_OF_STANDARD_WEBHOOKS}[name](good, chance)
        if (made.headers, made.body) != (good.headers, good.body):
            number -= 1
            yield name, made


def _flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _other_body(good: Signed, chance: random.Random) -> Signed:
    return replace(good, body=b'{"id":%d}' % chance.randrange(2**53))


def _grown_body(good: Signed, chance: random.Random) -> Signed:
    more = chance.choice([b"\0", b"\n", b" ", b"\r\n", b"}", b"\xef\xbb\xbf"])
    return replace(good, body=chance.choice([good.body + more, more + good.body, good.body * 2]))


def _another_character(good: Signed, chance: random.Random) -> Signed:
    at = chance.randrange(len(good.value))
    odd = chance.choice("ABCxyz019+/=-_ \u00e9\u212a\uff21\u0000\u200b,;%'\"")
    return good.with_value(good.value[:at] + odd + good.value[at + 1 :].rstrip() or "-")


def _another_case(good: Signed, chance: random.Random) -> Signed:
    return good.with_value(chance.choice([str.upper, str.lower, str.swapcase])(good.value))


def _same_bits_otherwise_written(good: Signed, chance: random.Random) -> Signed:
    digest = base64.b64decode(good.value)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    loose = letters[letters.index(good.value[42]) | chance.randrange(1, 4)]
    written = [
        digest.hex(),
        digest.hex().upper(),
        good.value.rstrip("="),
        good.value + "=",
        good.value[:42] + loose + "=",  # the same bytes to a lax decoder: the last letter holds two bits too many
        base64.urlsafe_b64encode(digest).decode(),
        base64.b32encode(digest).decode(),
        _base64(good.value.encode()),
        good.value[:20] + "\n" + good.value[20:],
        good.value[:20] + "%2B" + good.value[20:],
        f"sha256={good.value}",
    ]
    return good.with_value(chance.choice(written))


def _another_secret(good: Signed, chance: random.Random) -> Signed:
    raw = good.secret.removeprefix(WHSEC)
    wrong = [b"", raw + b" ", raw + b"\n", raw[:-1], raw.swapcase(), _flipped(raw, chance), WHSEC + b"AAAA", b"secret"]
    if good.kind != "generic":
        wrong.append(_base64(raw).encode())
    secret = chance.choice(wrong)
    headers = SIGNERS[good.kind](good.body, secret, good.now)
    return replace(good, headers=headers) if secret != good.secret else good


def _another_algorithm(good: Signed, chance: random.Random) -> Signed:
    if chance.random() < 0.6:
        name = chance.choice(["md5", "sha1", "sha224", "sha384", "sha512", "sha3_256", "blake2s"])
        return replace(good, headers=SIGNERS[good.kind](good.body, good.secret, good.now, name))
    plain = [good.body, good.secret + good.body, good.body + good.secret]
    return good.with_value(_base64(hashlib.sha256(chance.choice(plain)).digest()))


def _replayed(good: Signed, chance: random.Random) -> Signed:
    """The signature of another delivery of the same channel."""
    other = SIGNERS[good.kind](b'{"id":%d}' % chance.randrange(2**53), good.secret, good.now)
    return replace(good, headers=other)


def _without(good: Signed, chance: random.Random) -> Signed:
    name = SIGNATURES[good.kind]
    rest = {key: value for key, value in good.headers.items() if key != name}
    moved = chance.choice(["x-hub-signature-256", "authorization", name + "2", name.replace("-", "_"), "x-" + name])
    return replace(good, headers=chance.choice([rest, rest | {name: ""}, rest | {moved: good.headers[name]}]))


def _made_up(good: Signed, chance: random.Random) -> Signed:
    return good.with_value(_base64(chance.randbytes(chance.choice([0, 1, 16, 31, 32, 32, 32, 33, 64]))))


_WAYS: dict[str, Callable[[Signed, random.Random], Signed]] = {
    "a bit of the body": lambda good, chance: replace(good, body=_flipped(good.body, chance)),
    "the body cut": lambda good, chance: replace(good, body=_cut(good.body, chance)),
    "the body grown": _grown_body,
    "another body": _other_body,
    "a bit of the signature": lambda good, chance: good.with_value(
        _base64(_flipped(base64.b64decode(good.value), chance))
    ),
    "the signature cut": lambda good, chance: good.with_value(good.value[: chance.randrange(len(good.value))]),
    "another character in the signature": _another_character,
    "another case": _another_case,
    "the same bits written otherwise": _same_bits_otherwise_written,
    "another secret": _another_secret,
    "another algorithm": _another_algorithm,
    "another delivery's signature": _replayed,
    "no signature": _without,
    "a made-up signature": _made_up,
}


def _another_time(good: Signed, chance: random.Random) -> Signed:
    at = int(good.headers["webhook-timestamp"])
    wrong = [f"{at + 1}", f"{at - 1}", f"0{at}", f"+{at}", f"{at}.0", f"{at:x}", "", "-1", f"{at}{at}", "\u0661" * 10]
    return good.with_headers(webhook_timestamp=chance.choice(wrong))


def _stale(good: Signed, chance: random.Random) -> Signed:
    """Signed rightly, but too long ago or too far ahead: a replay of what somebody recorded."""
    at = datetime.fromtimestamp(
        good.now.timestamp() + chance.choice([-1, 1]) * chance.randrange(302, 10**7), good.now.tzinfo
    )
    return replace(good, headers=SIGNERS[good.kind](good.body, good.secret, at))


def _another_id(good: Signed, chance: random.Random) -> Signed:
    return good.with_headers(webhook_id=chance.choice(["msg_2", "MSG_1", "msg_1.", "", "msg_1\u00e9", "m" * 300]))


def _another_version(good: Signed, chance: random.Random) -> Signed:
    value = good.value
    wrong = [value, f"v2,{value}", f"V1,{value}", f"v1a,{value}", f"v1 {value}", f"v1,,{value}", f"v1={value}"]
    return good.with_headers(webhook_signature=chance.choice(wrong))


def _many_wrong(good: Signed, chance: random.Random) -> Signed:
    made = [f"v1,{_base64(chance.randbytes(32))}" for _ in range(chance.randrange(1, 40))]
    return good.with_headers(webhook_signature=" ".join(made))


_WAYS_OF_STANDARD_WEBHOOKS: dict[str, Callable[[Signed, random.Random], Signed]] = {
    "another time": _another_time,
    "too old or too new": _stale,
    "another id": _another_id,
    "another version": _another_version,
    "many wrong signatures": _many_wrong,
}
