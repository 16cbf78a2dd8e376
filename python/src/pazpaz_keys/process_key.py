"""The current key alone, for an application that uses a key directly, without a ring."""

import threading

from .application_log import log_event
from .clock import Moment, RingClock
from .errors import InvalidKeyValueError, KeyRotationError
from .example_key import EXAMPLE_KEY_REFUSED, is_refused_example
from .forks import renew_in_child
from .key_material import KeyMaterial
from .secret_source import SecretSource

_CALL_TIME_LIMIT = 5.0  # seconds
_ASK_AGAIN_AFTER = 60.0  # seconds, while the fallback is in use


class ProcessKey:
    """Returns AWS's current key, read once; the environment's key while AWS returns none."""

    def __init__(
        self, environment: str, region: str | None, secret_id: str | None, environment_key: KeyMaterial | None
    ) -> None:
        self._lock = threading.Lock()
        self._clock = RingClock()
        self._environment_key = environment_key
        self._source = None if secret_id is None else SecretSource(region, secret_id, _CALL_TIME_LIMIT)
        self._about: dict[str, str | int] = {"secret_id": secret_id or "", "environment": environment}
        self._warn_of_key = environment == "production" and environment_key is not None
        self._key: KeyMaterial | None = environment_key if secret_id is None else None
        self._fell_back_at: Moment | None = None
        renew_in_child(self, ProcessKey._after_fork)

    def key(self) -> KeyMaterial:
        if self._key is not None:
            return self._key
        # One thread asks. The others wait for its answer, at most for the time limit of a call or two.
        with self._lock:
            if self._key is not None:
                return self._key
            fell_back_at, environment_key = self._fell_back_at, self._environment_key
            if fell_back_at is not None and environment_key is not None:
                is_time_to_ask = self._clock.since(fell_back_at) >= _ASK_AGAIN_AFTER
                if not is_time_to_ask:
                    return environment_key
            if self._warn_of_key:
                self._warn_of_key = False
                log_event("env_key_set_in_production", self._about)
            return self._fetch()

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        if self._source is not None:
            self._source.after_fork()

    def _fetch(self) -> KeyMaterial:
        if self._source is None:
            raise KeyRotationError("INVALID_SETTINGS", "These settings name neither a secret nor a key.")
        try:
            version = self._source.read_current()
            if is_refused_example(version.key, self._about["environment"]):
                raise InvalidKeyValueError(
                    "INVALID_KEY_VALUE", f"The current key (version {version.version_id}) {EXAMPLE_KEY_REFUSED}"
                )
        except KeyRotationError as error:
            if self._environment_key is None:
                raise
            if self._fell_back_at is None:
                reason: dict[str, str | int] = {"code": error.code, "reason": str(error)}
                log_event("aws_unavailable_using_env_fallback", self._about | reason)
            self._fell_back_at = self._clock.now()
            return self._environment_key
        log_event("encryption_key_fetched_from_aws", self._about | {"version_id": version.version_id})
        if self._fell_back_at is not None:
            log_event("env_fallback_ended", self._about)
        self._key = version.key
        if self._environment_key is not None and self._is_on_ring(self._environment_key) is False:
            log_event("env_key_not_on_ring", self._about)
        self._source.close()  # no more calls are made
        return version.key

    def _is_on_ring(self, environment_key: KeyMaterial) -> bool | None:
        """Reads every key of the ring if needed; None if the answer is not known now."""
        if self._source is None or self._key == environment_key:
            return True
        try:
            labels = self._source.describe()
            versions = [version for version in labels.versions_in_use() if version != labels.current]
            return any(self._source.read(version).key == environment_key for version in versions)
        except KeyRotationError:
            return None
