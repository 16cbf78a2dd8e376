"""A secret in memory, a clock, and the rings that were opened with them."""

from typing import Generic, TypeVar

from pazpaz_keys import KeyMaterial, KeyRing, Settings, encrypt_field
from pazpaz_keys.clock import RingClock
from ring_words import SENTENCE
from secret_in_memory import SecretInMemory, secret_with

KEYS = tuple(bytes([byte]) * 32 for byte in b"abcdefghijklmnopq")
"""Of the numbers 1 to 17, which is as many as a secret has room for."""


Clock = TypeVar("Clock", bound=RingClock)


class World(Generic[Clock]):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.secret = SecretInMemory({"versions": []})
        self._rings: list[KeyRing] = []

    def with_keys(self, *keys: bytes) -> "World[Clock]":
        self.secret = secret_with(*keys)
        return self

    def open(self, environment_key: KeyMaterial | None = None, **options: float) -> KeyRing:
        settings = Settings("staging", "us-east-1", "name", environment_key)
        ring = KeyRing.open(settings, client=self.secret, clock=self.clock, **options)  # type: ignore[arg-type]
        self._rings.append(ring)
        return ring

    def forget_calls(self) -> None:
        self.secret.calls.clear()

    def close(self) -> None:
        self.secret.mend()
        for ring in self._rings:
            ring.close()


def row_under(number: int, key: bytes | None = None) -> bytes:
    return encrypt_field(SENTENCE, KEYS[number - 1] if key is None else key, number=number)


def forged(number: int) -> bytes:
    return row_under(number, b"forged" + bytes(26))


def flipped(row: bytes) -> bytes:
    return row[:-1] + bytes([row[-1] ^ 1])
