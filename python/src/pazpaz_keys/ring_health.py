"""The state of a ring, for a health endpoint."""

from typing import NamedTuple

from .errors import KeyRotationError
from .ring_cache import RingCache


class KeyHealth(NamedTuple):
    """One key of a ring."""

    number: int
    """0 if the version has no number, or for the environment's key."""
    version_id: str | None
    """None for the environment's key."""
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
    """Seconds since AWS confirmed that this key is current. None for the environment's key."""
    last_error: KeyRotationError | None
    """Why the last refresh failed; None if it succeeded."""
    keys: list[KeyHealth]
    """Every key of the ring by the last description, and the environment's key if there is one."""

    def as_dict(self) -> dict[str, object]:
        """The health as JSON-compatible values. Each error becomes its code and message."""
        keys = [{**key._asdict(), "error": _error_as_dict(key.error)} for key in self.keys]
        return {**self._asdict(), "last_error": _error_as_dict(self.last_error), "keys": keys}


def ring_health(cache: RingCache, max_key_age: float, has_environment_key: bool) -> RingHealth:
    """The health of a ring that reads AWS. ``has_environment_key``: whether it also has the environment's key."""
    current, labels = cache.current, cache.labels
    age = None if current is None else cache.clock.since(current.confirmed_at)
    keys = [] if labels is None else [_key_health(cache, version_id) for version_id in labels.versions_in_use()]
    if has_environment_key:
        keys.append(_environment_key_health(is_current=current is None))
    return RingHealth(
        can_encrypt=has_environment_key if age is None else age <= max_key_age,
        current_number=0 if current is None else current.number,
        age_seconds=None if age is None else int(age),
        last_error=None if cache.last_error is None else cache.last_error.without_traceback(),
        keys=keys,
    )


def environment_health() -> RingHealth:
    """The health of a ring with only the environment's key."""
    return RingHealth(True, 0, None, None, [_environment_key_health(is_current=True)])


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


def _environment_key_health(*, is_current: bool) -> KeyHealth:
    return KeyHealth(0, None, is_current, True, None)


def _error_as_dict(error: KeyRotationError | None) -> dict[str, str] | None:
    return None if error is None else {"code": error.code, "message": str(error)}
