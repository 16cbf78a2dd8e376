"""The attempts to open one row beyond the keys that were cached when it arrived."""

from .clock import Deadline
from .errors import KeyRotationError
from .key_material import KeyMaterial
from .ring_cache import RingCache
from .row import Row
from .single_flight import as_they_end
from .version_reader import READ_TOGETHER


class RowAttempt:
    """Each method waits for AWS within the row's time limit, and returns the plaintext or None."""

    def __init__(self, row: Row, cache: RingCache, deadline: Deadline) -> None:
        """``row``: a row that ``Row.with_cached_keys`` could not open."""
        self._row = row
        self._cache = cache
        self._deadline = deadline
        self._own_key = row.own_key
        self._tried = list(row.tried)

    @property
    def is_decided(self) -> bool:
        """Whether no other key can open the row: its own key did not, and it cannot be older data."""
        return self._own_key is not None and not self._row.legacy

    @property
    def is_out_of_reach(self) -> bool:
        """Whether AWS could not be reached for the row's own key. The row is then unavailable in any case."""
        version_id = self._own_version()
        return version_id is not None and self._cannot_reach(version_id)

    def with_own_key(self) -> bytes | None:
        """Tries the key that the row's number names, if the last description shows it and it was not tried."""
        version_id = self._own_version()
        if version_id is None:
            return None
        for key in as_they_end([self._cache.start_key(version_id)], self._deadline):
            if isinstance(key, KeyMaterial) and key is not self._own_key:
                self._own_key = key
                return self._open(key)
        return None

    def with_every_key(self) -> bytes | None:
        """Tries every untried key of the ring, a few at a time, until one opens the row.

        Stops when none of a group could be reached: the others cannot be reached either, and each would cost its time
        limit.
        """
        version_ids = [version_id for version_id in self._versions_that_may_open() if not self._is_tried(version_id)]
        for start in range(0, len(version_ids), READ_TOGETHER):
            group = version_ids[start : start + READ_TOGETHER]
            plaintext = self._with_first_of(group)
            if plaintext is not None:
                return plaintext
            if self._deadline.is_over or all(self._cannot_reach(version_id) for version_id in group):
                break
        return None

    def with_cached_keys(self) -> bytes | None:
        """Tries the keys that were cached meanwhile, for other rows, too."""
        for version_id in self._versions_that_may_open():
            key = self._cache.keys.of_version(version_id)
            plaintext = None if key is None else self._if_not_tried(key)
            if plaintext is not None:
                return plaintext
        return None

    def unread(self, stale: KeyRotationError | None) -> dict[str, KeyRotationError]:
        """By VersionId: why keys that may open the row and are not cached were not tried.

        ``stale``: why there is no fresh description, or why the search ended early.
        """
        cache = self._cache
        not_cached = [
            version_id for version_id in self._versions_that_may_open() if cache.keys.of_version(version_id) is None
        ]
        return {
            version_id: cache.failure_of(version_id) or stale or not_fetched(f"version {version_id}")
            for version_id in not_cached
        }

    def _with_first_of(self, version_ids: list[str]) -> bytes | None:
        for key in as_they_end([self._cache.start_key(version_id) for version_id in version_ids], self._deadline):
            plaintext = self._if_not_tried(key) if isinstance(key, KeyMaterial) else None
            if plaintext is not None:
                return plaintext
        return None

    def _if_not_tried(self, key: KeyMaterial) -> bytes | None:
        return None if any(key is other for other in self._tried) else self._open(key)

    def _open(self, key: KeyMaterial) -> bytes | None:
        self._tried.append(key)
        plaintext = self._row.in_any_way(key)
        if plaintext is not None:
            self._cache.keys.put_first(key)
        return plaintext

    def _own_version(self) -> str | None:
        labels, number = self._cache.labels, self._row.number
        return None if labels is None or not number else labels.version_of.get(number)

    def _versions_that_may_open(self) -> list[str]:
        labels, own_version = self._cache.labels, self._own_version()
        if labels is None:
            return []
        # If older data is refused and the number is on the ring, only its own key can open the row.
        return labels.versions_in_use() if self._row.legacy or own_version is None else [own_version]

    def _is_tried(self, version_id: str) -> bool:
        key = self._cache.keys.of_version(version_id)
        return key is not None and any(key is other for other in self._tried)

    def _cannot_reach(self, version_id: str) -> bool:
        failure = self._cache.failure_of(version_id)
        return failure is not None and failure.code == "CANNOT_REACH_AWS"


def not_fetched(what: str) -> KeyRotationError:
    return KeyRotationError(
        "KEY_UNAVAILABLE",
        f"This process has not fetched {what}, and this read does not wait for it. Call ring.warm() at start to "
        "fetch every key, or decrypt_field in a thread without an event loop, which waits.",
    )
