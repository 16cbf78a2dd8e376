"""Reads the versions of a secret. Concurrent callers share one read per version."""

from typing import NamedTuple

from .application_log import log_event
from .clock import Moment, RingClock
from .errors import KeyRotationError
from .key_cache import KeyCache
from .key_material import KeyMaterial
from .ring_labels import RingLabels
from .secret_source import SecretSource, SecretVersion
from .single_flight import Flight, SingleFlight, ended_flight

_FIRST_BACKOFF = 1.0
"""Seconds before a version that could not be read is read again. Doubled after each further failure."""

READ_TOGETHER = 6
"""How many versions are read at once for one row. A whole ring takes three rounds."""


class _Failure(NamedTuple):
    error: KeyRotationError
    at: Moment
    backoff: float
    """Seconds after ``at`` for which the failure is answered from memory."""


class VersionReader:
    def __init__(
        self,
        source: SecretSource,
        keys: KeyCache,
        clock: RingClock,
        about: dict[str, str | int],
        time_to_live: float,
    ) -> None:
        self._source = source
        self._keys = keys
        self._clock = clock
        self._about = about
        self._time_to_live = time_to_live
        self._flights: SingleFlight[KeyMaterial] = SingleFlight()
        self._failures: dict[str, _Failure] = {}
        self._logged_at: dict[str, Moment] = {}

    def key(self, version_id: str, labels: RingLabels) -> KeyMaterial:
        """The key of a version: cached, or read now.

        Raises ``INVALID_KEY_VALUE``, which is final, or ``CANNOT_REACH_AWS`` or ``AWS_REFUSED``, which is answered from
        memory for a short time.
        """
        key = self._keys.of_version(version_id)
        return key if key is not None else self._flights.run(version_id, lambda: self._read(version_id, labels))

    def start(self, version_id: str, labels: RingLabels) -> Flight[KeyMaterial]:
        """A flight that ends with the key, or with what ``key`` raises. Does not wait."""
        key = self._keys.of_version(version_id)
        known = key if key is not None else self._fresh_failure(version_id)
        if known is not None:
            return ended_flight(known)
        return self._flights.start(version_id, lambda: self._read(version_id, labels))

    def failure_of(self, version_id: str) -> KeyRotationError | None:
        """Why the last read of a version failed; None if it succeeded or was never tried."""
        failure = self._failures.get(version_id)
        return None if failure is None else failure.error.without_traceback()

    def after_fork(self) -> None:
        self._flights = SingleFlight()

    def _read(self, version_id: str, labels: RingLabels) -> KeyMaterial:
        # A caller that comes just after a flight has ended finds its result here.
        key = self._keys.of_version(version_id)
        if key is not None:
            return key
        failure = self._fresh_failure(version_id)
        if failure is None:
            started_at = self._clock.now()
            try:
                version = self._source.read(version_id)
            except KeyRotationError as error:
                failure = (
                    error.without_traceback()
                    if error.code == "RING_CLOSED"
                    else self._remember(version_id, labels, error, started_at)
                )
            else:
                return self._keep(version_id, version)
        try:
            raise failure
        finally:
            del failure  # otherwise the error, its traceback and this frame would hold each other

    def _keep(self, version_id: str, version: SecretVersion) -> KeyMaterial:
        self._keys.add(version.key, version_id)
        # Number and value come from one answer. Labels attached later come with the next description.
        self._keys.set_numbers_of(version_id, RingLabels({version_id: version.stages}))
        self._failures.pop(version_id, None)
        fields: dict[str, str | int] = {
            "version_id": version_id,
            "key_number": self._keys.number_of_version(version_id),
        }
        log_event("encryption_key_fetched_from_aws", self._about | fields)
        return version.key

    def _remember(
        self, version_id: str, labels: RingLabels, error: KeyRotationError, started_at: Moment
    ) -> KeyRotationError:
        number = labels.number_of.get(version_id, 0)
        name = f"Key {number}" if number else "The key"
        named = type(error)(error.code, f"{name} (version {version_id}): {error}")
        backoff = self._backoff(named, self._failures.get(version_id), started_at)
        self._failures[version_id] = _Failure(named, self._clock.now(), backoff)
        logged_at = self._logged_at.get(version_id)
        if logged_at is None or self._clock.since(logged_at) >= self._time_to_live:
            self._logged_at[version_id] = self._clock.now()
            fields: dict[str, str | int] = {
                "version_id": version_id,
                "key_number": number,
                "code": named.code,
                "reason": str(named),
            }
            log_event("ring_key_unreadable", self._about | fields)
        return named.without_traceback()

    def _fresh_failure(self, version_id: str) -> KeyRotationError | None:
        failure = self._failures.get(version_id)
        if failure is None or self._clock.since(failure.at) >= failure.backoff:
            return None
        return failure.error.without_traceback()

    def _backoff(self, error: KeyRotationError, last: _Failure | None, started_at: Moment) -> float:
        """A call that hung backs off for as long as it took: otherwise one row after another would wait for the next
        call.
        """
        # A value never changes, so it is read again only in case the reading was at fault.
        if error.code == "INVALID_KEY_VALUE":
            return self._time_to_live
        longest = max(_FIRST_BACKOFF, self._source.time_limit)
        following = _FIRST_BACKOFF if last is None else min(longest, 2 * last.backoff)
        return max(following, min(longest, self._clock.since(started_at)))
