"""Reads the versions of a secret, each once however many ask for it."""

from .application_log import log_event
from .clock import Moment, RingClock
from .errors import KeyRotationError
from .key_cache import KeyCache
from .key_material import KeyMaterial
from .ring_labels import RingLabels
from .secret_source import SecretSource, SecretVersion
from .single_flight import Flight, SingleFlight, ended_flight

_FAILURE_TTL = 3.0
"""Fewest seconds that a version which could not be read is let be: what a storm of rows costs at most.

Where calls hang it is their time limit, or the failure of one row would be forgotten before the next row has it.
"""


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
        self._failures: dict[str, tuple[KeyRotationError, Moment]] = {}
        self._logged_at: dict[str, Moment] = {}

    def key(self, version_id: str, labels: RingLabels) -> KeyMaterial:
        """The key of a version: at hand, or read now.

        Raises ``INVALID_KEY_VALUE``, which is for good, or what stands in the way now (``CANNOT_REACH_AWS``,
        ``AWS_REFUSED``), which is answered from memory for a short time.
        """
        key = self._keys.of_version(version_id)
        return key if key is not None else self._flights.run(version_id, lambda: self._read(version_id, labels))

    def start(self, version_id: str, labels: RingLabels) -> Flight[KeyMaterial]:
        """The same without waiting: what ends with the key, or with what ``key`` raises."""
        key = self._keys.of_version(version_id)
        known = key if key is not None else self._fresh_failure(version_id)
        if known is not None:
            return ended_flight(known)
        return self._flights.start(version_id, lambda: self._read(version_id, labels))

    def failure_of(self, version_id: str) -> KeyRotationError | None:
        """Why a version could not be read when it was last tried; None where it could, or nobody tried."""
        failure = self._failures.get(version_id)
        return None if failure is None else failure[0].anew()

    def after_fork(self) -> None:
        self._flights = SingleFlight()

    def _read(self, version_id: str, labels: RingLabels) -> KeyMaterial:
        # Who comes just after a flight has ended finds its result here.
        key = self._keys.of_version(version_id)
        if key is not None:
            return key
        failure = self._fresh_failure(version_id)
        if failure is None:
            try:
                version = self._source.read(version_id)
            except KeyRotationError as error:
                failure = error.anew() if error.code == "RING_CLOSED" else self._remember(version_id, labels, error)
            else:
                return self._keep(version_id, version)
        try:
            raise failure
        finally:
            del failure  # or it, its traceback and this frame would hold each other

    def _keep(self, version_id: str, version: SecretVersion) -> KeyMaterial:
        self._keys.add(version.key, version_id)
        # Number and value come from one answer; labels attached later come with the next description.
        self._keys.set_numbers_of(version_id, RingLabels({version_id: version.stages}))
        self._failures.pop(version_id, None)
        fields: dict[str, str | int] = {
            "version_id": version_id,
            "key_number": self._keys.number_of_version(version_id),
        }
        log_event("encryption_key_fetched_from_aws", self._about | fields)
        return version.key

    def _remember(self, version_id: str, labels: RingLabels, error: KeyRotationError) -> KeyRotationError:
        number = labels.number_of.get(version_id, 0)
        name = f"Key {number}" if number else "The key"
        named = type(error)(error.code, f"{name} (version {version_id}): {error}")
        self._failures[version_id] = (named, self._clock.now())
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
        return named.anew()

    def _fresh_failure(self, version_id: str) -> KeyRotationError | None:
        error, at = self._failures.get(version_id, (None, None))
        if error is None or at is None:
            return None
        # A value never changes, so one that is no key is looked at again only in case our own reading was at fault.
        is_for_good = error.code == "INVALID_KEY_VALUE"
        memory = self._time_to_live if is_for_good else max(_FAILURE_TTL, self._source.time_limit)
        return error.anew() if self._clock.since(at) < memory else None
