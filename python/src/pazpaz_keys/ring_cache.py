"""Caches a ring's labels and keys, and keeps them fresh."""

import random
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from .application_log import Event, log_event
from .call_timeout import ring_closed
from .clock import Moment, RingClock
from .errors import InvalidKeyValueError, KeyRotationError
from .example_key import EXAMPLE_KEY_REFUSED, is_refused_example
from .key_cache import KeyCache
from .key_material import KeyMaterial
from .ring_labels import RingLabels
from .secret_source import SecretSource, lost_current_key, no_current_key
from .single_flight import Flight, SingleFlight
from .version_reader import READ_TOGETHER, VersionReader

_LONGEST_RETRY_PAUSE = 30.0  # seconds before a failed refresh is tried again


@dataclass(frozen=True, slots=True)
class CurrentKey:
    """The key that encrypts."""

    key: KeyMaterial
    number: int
    version_id: str
    confirmed_at: Moment
    """When the description that confirmed it was requested."""


class RingCache:
    """Refreshes the ring before each time to live ends. While AWS does not answer, it keeps what it has and retries.

    Its own thread calls AWS, so that no caller waits for a slow AWS while a good key is cached.
    """

    def __init__(
        self,
        source: SecretSource,
        environment: str,
        environment_key: KeyMaterial | None,
        time_to_live: float,
        clock: RingClock,
    ) -> None:
        self.keys = KeyCache()
        self.clock = clock
        self.time_to_live = time_to_live
        self.call_time_limit = source.time_limit
        self.labels: RingLabels | None = None
        """Of the last description; None before the first."""
        self._without_label: frozenset[str] = frozenset()
        """Cached versions that had no label in the last description."""
        self.described_at: Moment | None = None
        """When the last received description was requested."""
        self.stale_because: KeyRotationError | None = None
        """Why the last description failed; None if it succeeded."""
        self.current: CurrentKey | None = None
        """The last key that AWS called current; None before the first."""
        self.last_error: KeyRotationError | None = None
        """Why the last finished refresh failed; None if it succeeded."""
        self.is_warm = False
        """Whether each refresh fetches every key."""
        self.on_refreshed: Callable[[], None] | None = None
        """Called by the thread after each refresh."""
        self.closed = threading.Event()
        self._source = source
        self._about: dict[str, str | int] = {"secret_id": source.secret_id, "environment": environment}
        self._environment_key = environment_key
        self._reader = VersionReader(source, self.keys, clock, self._about, time_to_live)
        self._refreshes: SingleFlight[CurrentKey] = SingleFlight()
        self._attempted_at = clock.now()
        self._failure_logged_at: Moment | None = None
        self._has_fallen_back = False
        self._environment_key_checked = environment_key is None
        self._pause = 0.0
        self._wake = threading.Event()

    def key(self, version_id: str) -> KeyMaterial:
        """The key of a version: cached, or read now (see ``VersionReader``)."""
        return self._reader.key(version_id, self.labels or RingLabels({}))

    def start_key(self, version_id: str) -> Flight[KeyMaterial]:
        """A flight that ends with the key, or with why it could not be read. Does not wait."""
        return self._reader.start(version_id, self.labels or RingLabels({}))

    def failure_of(self, version_id: str) -> KeyRotationError | None:
        """Why the last read of a version failed; None if it succeeded or was never tried."""
        return self._reader.failure_of(version_id)

    def refresh(self) -> CurrentKey:
        """Asks AWS for the labels and reads the current key if it is not cached. Concurrent callers share one refresh.

        Raises the reason if AWS names no readable current key; ``RING_CLOSED``.
        """
        if self.closed.is_set():
            raise ring_closed()
        return self._refreshes.run("refresh", self._refresh)

    def wake_if_overdue(self) -> None:
        """Makes the thread refresh at once if it has not within this time to live: the machine may have slept."""
        if self.clock.since(self._attempted_at) >= self.time_to_live:
            self._wake.set()

    def refresh_if_not_just_tried(self) -> None:
        """For a caller without a good key: waits for a refresh, unless one was tried within a second."""
        if self.clock.since(self._attempted_at) >= 1.0:
            with suppress(KeyRotationError):  # the state of the ring shows it
                self.refresh()

    def warm(self) -> None:
        """Fetches every key of the ring, now and after each later refresh.

        A key that cannot be read is skipped; ``failure_of`` says why.
        """
        self.is_warm = True
        if self.labels is None:
            with suppress(KeyRotationError):  # kept as last_error
                self.refresh()
        self._fetch_keys()

    def fall_back(self, reason: KeyRotationError) -> None:
        """Uses the environment's key although the first refresh failed, and keeps retrying."""
        self._has_fallen_back = True
        self._failure_logged_at = self.clock.now()
        log_event("aws_unavailable_using_env_fallback", self._about | {"code": reason.code, "reason": str(reason)})

    def start(self) -> None:
        """Starts the thread."""
        threading.Thread(
            target=_keep, args=(weakref.ref(self), self._wake), name="pazpaz-keys-refresh", daemon=True
        ).start()

    def close(self) -> None:
        """Ends every call and the thread, and forgets every key."""
        self.closed.set()
        self._wake.set()
        self._source.close()
        self.keys.clear()
        self.current = None
        self._environment_key = None

    def after_fork(self) -> None:
        """In the child process: threads are not copied, and a lock may have been held by one of them."""
        if self.closed.is_set():
            return
        self.keys.after_fork()
        self._source.after_fork()
        self._reader.after_fork()
        self._refreshes = SingleFlight()
        self._wake = threading.Event()
        self.closed = threading.Event()
        self.start()

    def refresh_quietly(self) -> float:
        """The thread's work: a refresh, whose failure is logged once per time to live. Returns the seconds to pause."""
        with suppress(KeyRotationError):
            self.refresh()
        self._check_environment_key()
        if self.on_refreshed is not None:
            self.on_refreshed()
        if self.is_warm:
            self._fetch_keys()
        return self._pause

    def _fetch_keys(self) -> None:
        version_ids = [] if self.labels is None else self.labels.versions_in_use()
        for start in range(0, len(version_ids), READ_TOGETHER):
            flights = [self.start_key(version_id) for version_id in version_ids[start : start + READ_TOGETHER]]
            for flight in flights:
                flight.result()  # each call has its time limit

    def initial_pause(self) -> float:
        self._check_environment_key()
        return self._pause

    def _refresh(self) -> CurrentKey:
        started_at = self._attempted_at = self.clock.now()
        try:
            labels = self._describe(started_at)
            if labels.current is None:
                raise no_current_key(self._source.secret_id)
            key = self._reader.key(labels.current, labels)
            if is_refused_example(key, self._about["environment"]):
                raise InvalidKeyValueError(
                    "INVALID_KEY_VALUE", f"The current key (version {labels.current}) {EXAMPLE_KEY_REFUSED}"
                )
        except KeyRotationError as error:
            self._failed(error)
            raise
        current = CurrentKey(key, self.keys.number_of_version(labels.current), labels.current, started_at)
        self._succeeded(current)
        return current

    def _describe(self, started_at: Moment) -> RingLabels:
        try:
            labels = self._source.describe()
            if labels.current is None and self.labels is not None and self.labels.current is not None:
                # If trusted, it would make every row whose key is not cached one whose key was never issued.
                raise lost_current_key(self._source.secret_id)
        except KeyRotationError as error:
            self.stale_because = error.without_traceback()
            raise
        self._take_over(labels)
        self.described_at = started_at
        self.stale_because = None
        return labels

    def _take_over(self, labels: RingLabels) -> None:
        known, departed = self._without_label, [v for v in self.keys.version_ids if not labels.is_on_ring(v)]
        last_numbers = {version_id: self.keys.number_of_version(version_id) for version_id in departed}
        self.keys.set_numbers(labels)
        self.labels = labels
        self._without_label = frozenset(departed)
        for version_id in departed:
            is_retired = version_id in labels.retired
            is_moved = not is_retired and version_id in labels.copies
            if version_id not in known and not is_moved:
                number = labels.retired[version_id] if is_retired else last_numbers[version_id]
                event: Event = "ring_key_forgotten" if is_retired else "ring_key_lost_label"
                log_event(event, self._about | {"version_id": version_id, "key_number": number})

    def _succeeded(self, current: CurrentKey) -> None:
        self.last_error = None
        self.current = current
        if self.closed.is_set():  # checked after it was set, so that of two threads that meet here, one clears it
            self.current = None
            raise ring_closed()
        if self._has_fallen_back:
            self._has_fallen_back = False
            log_event("env_fallback_ended", self._about)
        elif self._failure_logged_at is not None:
            log_event("key_ring_refreshed_again", self._about)
        self._failure_logged_at = None
        self._pause = self.time_to_live * _spread()

    def _failed(self, error: KeyRotationError) -> None:
        if self.closed.is_set():
            return
        self.last_error = error.without_traceback()
        self._pause = max(1.0, min(_LONGEST_RETRY_PAUSE, self.time_to_live / 10)) * _spread()
        is_open = self.current is not None or self._has_fallen_back
        logged_at = self._failure_logged_at
        if not is_open or (logged_at is not None and self.clock.since(logged_at) < self.time_to_live):
            return
        self._failure_logged_at = self.clock.now()
        fields: dict[str, str | int] = {"code": error.code, "reason": str(error)}
        if self.current is not None:
            fields["age_seconds"] = round(self.clock.since(self.current.confirmed_at))
        log_event("key_ring_refresh_failed", self._about | fields)

    def _check_environment_key(self) -> None:
        """Warns once if the environment's key is not on the ring. Reads every key of the ring to find out."""
        labels, current, environment_key = self.labels, self.current, self._environment_key
        if self._environment_key_checked or labels is None or current is None or environment_key is None:
            return
        unreadable = False
        for version_id in [current.version_id, *labels.versions_in_use()]:
            try:
                if self.key(version_id) == environment_key:
                    self._environment_key_checked = True
                    return
            except KeyRotationError as error:
                # A value that is not a key cannot be equal to the environment's.
                unreadable = unreadable or error.code != "INVALID_KEY_VALUE"
        if not unreadable:  # otherwise the answer is not known yet
            self._environment_key_checked = True
            log_event("env_key_not_on_ring", self._about)


def _spread() -> float:
    """Keeps processes that started together from asking at the same moment."""
    return random.uniform(0.9, 1.0)  # noqa: S311  # no secret


def _keep(cache_of: "weakref.ref[RingCache]", wake: threading.Event) -> None:
    """The thread. Between refreshes it holds a weak reference, so that a ring dropped without close() also ends it."""
    cache = cache_of()
    pause = 0.0 if cache is None else cache.initial_pause()
    while cache is not None and not cache.closed.is_set():
        cache = None
        wake.wait(pause)
        cache = cache_of()
        if cache is not None and not cache.closed.is_set():
            pause = cache.refresh_quietly()
            # After the refresh: a request that came while it began is fulfilled, and must not cause another.
            wake.clear()
