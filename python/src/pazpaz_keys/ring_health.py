"""The state of a ring, for a health endpoint."""

from collections.abc import Iterable
from typing import NamedTuple

from .errors import KeyRotationError
from .key_material import KeyMaterial
from .ring_cache import RingCache


class KeyHealth(NamedTuple):
    """One key of a ring."""

    number: int
    """0 if the version has no number, or for ``ENCRYPTION_MASTER_KEY``."""
    version_id: str | None
    """None for a key of the environment."""
    is_current: bool
    """Whether it encrypts."""
    is_cached: bool
    """Whether it is cached, so that reading its rows does not wait."""
    error: KeyRotationError | None
    """Why the last read failed; None if it succeeded or was never tried."""


class RingHealth(NamedTuple):
    """The state of a ring. It holds no key."""

    can_encrypt: bool
    """Whether ``encrypt_field`` works now."""
    current_number: int | None
    """Number of the key that encrypts; 0 without a number. None for a closed ring."""
    age_seconds: int | None
    """Seconds since AWS confirmed that this key is current. None for a key of the environment."""
    last_error: KeyRotationError | None
    """Why the last refresh failed; None if it succeeded."""
    keys: list[KeyHealth]
    """Every key of the ring by the last description, and the environment's keys."""

    def as_dict(self) -> dict[str, object]:
        """The health as JSON-compatible values. Each error becomes its code and message."""
        keys = [{**key._asdict(), "error": _error_as_dict(key.error)} for key in self.keys]
        return {**self._asdict(), "last_error": _error_as_dict(self.last_error), "keys": keys}


def ring_health(
    cache: RingCache, max_key_age: float, environment_keys: Iterable[int], writing: tuple[int, KeyMaterial] | None
) -> RingHealth:
    """The health of a ring that reads AWS.

    ``environment_keys``: the numbers of the environment's keys. ``writing``: the one that encrypts while AWS has
    returned no key.
    """
    current, labels = cache.current, cache.labels
    age = None if current is None else cache.clock.since(current.confirmed_at)
    keys = [] if labels is None else [_key_health(cache, version_id) for version_id in labels.versions_in_use()]
    keys += _environment_keys(environment_keys, writing if current is None else None)
    return RingHealth(
        can_encrypt=writing is not None if age is None else age <= max_key_age,
        current_number=0 if current is None else current.number,
        age_seconds=None if age is None else int(age),
        last_error=None if cache.last_error is None else cache.last_error.without_traceback(),
        keys=keys,
    )


def environment_health(environment_keys: Iterable[int], writing: tuple[int, KeyMaterial] | None) -> RingHealth:
    """The health of a ring with only the environment's keys."""
    number = 0 if writing is None else writing[0]
    return RingHealth(writing is not None, number, None, None, _environment_keys(environment_keys, writing))


def closed_health(reason: KeyRotationError) -> RingHealth:
    """The health of a closed ring."""
    return RingHealth(False, None, None, reason, [])


def _key_health(cache: RingCache, version_id: str) -> KeyHealth:
    labels, current = cache.labels, cache.current
    is_cached = cache.keys.of_version(version_id) is not None
    return KeyHealth(
        number=0 if labels is None else labels.number_of.get(version_id, 0),
        version_id=version_id,
        is_current=current is not None and current.version_id == version_id,
        is_cached=is_cached,
        error=None if is_cached else cache.failure_of(version_id),
    )


def _environment_keys(numbers: Iterable[int], writing: tuple[int, KeyMaterial] | None) -> list[KeyHealth]:
    current = None if writing is None else writing[0]
    return [KeyHealth(number, None, number == current, True, None) for number in numbers]


def _error_as_dict(error: KeyRotationError | None) -> dict[str, str] | None:
    return None if error is None else {"code": error.code, "message": str(error)}
