"""The key ring of an application."""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType

from .application_log import log_event
from .call_timeout import ring_closed
from .ciphertext import ciphertext_bytes, open_numbered, plaintext_bytes, seal, well_formed
from .clock import RingClock
from .errors import KeyRotationError, without_frames
from .event_loops import refuse_large_plaintext, refuse_large_row, refuse_long_attempts, runs_event_loop
from .failed_decryption import failed_with_environment_keys
from .field import as_text
from .forks import renew_in_child
from .key_cache import KeyCache
from .key_lookup import KeyLookup
from .key_material import KeyMaterial
from .key_usage import KeyCount, KeyUsage, UsageCounter
from .keys_for_tests import TEST_SETTINGS, TestKeys, refuse_test_keys_outside_tests
from .ring_cache import CurrentKey, RingCache
from .ring_health import RingHealth, closed_health, environment_health, ring_health
from .ring_meter import RingMeter, measure
from .row import Row
from .secret_source import SecretsManagerClient, SecretSource
from .settings import Settings, load_settings
from .varint import read_varint

MAX_KEY_AGE = 86_400.0
"""The longest ``max_key_age``, in seconds. Retiring a key relies on it."""


@dataclass(frozen=True, slots=True)
class _Writer:
    """The key that encrypts, until another one becomes current."""

    current: CurrentKey | None
    key: KeyMaterial
    number: int
    count_one: Callable[[], int]
    key_count: KeyCount


class KeyRing:
    """Encrypts with the current key and decrypts with every key of the ring. Threads may share it.

    Open one ring for the life of the process (after the fork, if a server forks), and close it at the end::

        with KeyRing.open() as ring:
            row = ring.encrypt_field("Patient has diabetes", "patients:7:notes")
            text = ring.decrypt_field(row, "patients:7:notes")
    """

    def __init__(self) -> None:
        """Raises ``INVALID_SETTINGS``: open a ring with ``KeyRing.open()``."""
        raise KeyRotationError("INVALID_SETTINGS", "Open a key ring with KeyRing.open(), not with KeyRing().")

    def _set_up(
        self,
        cache: RingCache | None,
        settings: Settings,
        time_to_live: float,
        max_key_age: float,
        legacy: bool,
        counter: UsageCounter,
    ) -> "KeyRing":
        self._cache = cache
        self._lookup = None if cache is None else KeyLookup(cache)
        self._environment_keys = settings.environment_keys
        self._writing_key = settings.writing_key
        self._time_to_live = time_to_live
        self._max_key_age = max_key_age
        self._legacy = legacy
        if cache is not None:
            self._keys = cache.keys
        else:
            self._keys = KeyCache()
            self._keys.add_environment_keys(self._environment_keys, are_numbered=True)
        self._writer: _Writer | None = None
        self._counter = counter
        self._is_closed = False
        self._is_stopped = False
        renew_in_child(self, KeyRing._after_fork)
        return self

    @classmethod
    def open(
        cls,
        settings: Settings | None = None,
        *,
        time_to_live: float = 300.0,
        max_key_age: float = MAX_KEY_AGE,
        call_time_limit: float = 5.0,
        legacy: bool = True,
        client: SecretsManagerClient | None = None,
        meter: RingMeter | None = None,
        clock: RingClock | None = None,
    ) -> "KeyRing":
        """Loads the current key, and keeps asking AWS which one is current.

        - ``settings``: default, the variables of this process.
        - ``time_to_live``: seconds after which AWS is asked again, 1 to ``max_key_age``. Capped at half of
          ``max_key_age``, so that a key does not become too old while AWS is asked.
        - ``max_key_age``: seconds for which a key may encrypt after AWS last confirmed that it is current, 1 to 86,400.
          Decryption is not limited.
        - ``call_time_limit``: seconds that one call to AWS may take, including retries, 0.001 to 60.
        - ``legacy``: whether to read data written before this system, too. Its context is not checked.
        - ``client``: a boto3 client to use instead of a new one. ``clock``: for tests.
        - ``meter``: an OpenTelemetry ``Meter`` for the encryptions of the ring and the age of its key.

        Raises ``INVALID_SETTINGS``. If AWS returns no key and there is no environment key to use instead, raises
        ``NO_CURRENT_KEY`` (before the first rotation), ``SECRET_NOT_FOUND``, ``SECRET_DELETED``, ``INVALID_KEY_VALUE``,
        ``AWS_REFUSED`` or ``CANNOT_REACH_AWS``. Opening can be tried again.
        """
        settings = load_settings() if settings is None else settings
        if not isinstance(settings, Settings):  # such as os.environ
            raise KeyRotationError(
                "INVALID_SETTINGS",
                f"KeyRing.open takes the settings that load_settings returns, but got {type(settings).__name__}. "
                "Call KeyRing.open(load_settings(env)), or KeyRing.open() for the variables of this process.",
            )
        _require_range("max_key_age", max_key_age, 1, MAX_KEY_AGE)
        time_to_live = min(time_to_live, max_key_age) if time_to_live == 300.0 else time_to_live
        _require_range("time_to_live", time_to_live, 1, max_key_age)
        time_to_live = min(time_to_live, max_key_age / 2)
        _require_range("call_time_limit", call_time_limit, 0.001, 60)
        clock = clock or RingClock()
        about: dict[str, str | int] = {"environment": settings.environment, "secret_id": settings.secret_id or ""}
        if settings.secret_id is None:
            counter = UsageCounter(about, clock)
            ring = cls.__new__(cls)._set_up(None, settings, time_to_live, max_key_age, legacy, counter)
            return ring._measured(meter)

        if settings.environment == "production" and settings.writing_key is not None:
            log_event(
                "env_key_set_in_production",
                {"secret_id": settings.secret_id, "environment": settings.environment},
            )
        source = SecretSource(settings.region, settings.secret_id, call_time_limit, client, clock)
        cache = RingCache(source, settings.environment, settings.environment_key, time_to_live, clock)
        cache.keys.add_environment_keys(settings.environment_keys, are_numbered=False)
        try:
            cache.refresh()
        except KeyRotationError as error:
            if settings.writing_key is None:
                cache.close()
                raise
            cache.fall_back(error)
        counter = UsageCounter(about, clock)
        cache.on_refreshed = counter.report_daily
        ring = cls.__new__(cls)._set_up(cache, settings, time_to_live, max_key_age, legacy, counter)
        cache.start()
        return ring._measured(meter)

    @classmethod
    def for_test(cls, keys: TestKeys | None = None) -> "KeyRing":
        """A ring for unit tests, without AWS: random keys in memory that are gone when the process ends.

        It behaves as one that AWS answers at once. To test a rotation, hand it ``keys``, call ``keys.rotate()``, and
        ``refresh`` the ring.

        Raises ``INVALID_SETTINGS`` if ``ENVIRONMENT`` is staging or production.
        """
        refuse_test_keys_outside_tests()
        return cls.open(TEST_SETTINGS, client=TestKeys() if keys is None else keys)

    def _measured(self, meter: RingMeter | None) -> "KeyRing":
        if meter is not None:
            ring_of = weakref.ref(self)
            measure(meter, self, lambda: (ring := ring_of()) is None or ring._is_closed)
        return self

    def encrypt_field(self, text: str | bytes, context: str = "") -> bytes:
        """Encrypts a text or bytes with the current key and binds the result to ``context`` (such as
        ``patients:7:notes``).

        Never waits for AWS while the current key is cached and confirmed. Raises ``INVALID_TEXT`` for a value that is
        neither text nor bytes, for a text or context that is not well-formed Unicode, and for more than 8 MB in a
        thread that runs an asyncio event loop, ``KEY_TOO_OLD`` if AWS has not confirmed the current key within
        ``max_key_age``, ``KEY_EXHAUSTED`` after 2^32 encryptions with it in this process, and ``RING_CLOSED``.
        """
        try:
            refuse_large_plaintext(text)
            return self._sealed(plaintext_bytes(text), well_formed(context, "context"))
        except KeyRotationError as error:
            text = b""  # error reporters may show local variables
            raise without_frames(error) from None

    def _sealed(self, plaintext: bytes, context: bytes) -> bytes:
        refuse_large_plaintext(plaintext)
        writer = self._current_writer()
        row = seal(plaintext, writer.key, writer.number, context)
        if writer.count_one() >= writer.key_count.report_at:
            self._writer = None  # the next encryption checks whether the key may still encrypt
            self._counter.reached(writer.key_count)
        return row

    def decrypt_field(self, data: bytes, context: str = "") -> str:
        """Decrypts a field to text; see ``decrypt_bytes``. Raises ``INVALID_TEXT`` if the content is not UTF-8."""
        return as_text(self.decrypt_bytes(data, context))

    def decrypt_bytes(self, data: bytes, context: str = "") -> bytes:
        """Decrypts a field: under its number's key, then in every form of older data with every key of the ring.

        A key that is not cached is fetched once and kept, and the calling thread waits for it. A thread that runs an
        asyncio event loop never waits after ``warm``, and before that at most for the calls of one row. There, a row of
        more than 16 MB, and a large row of older data, is ``KEY_UNAVAILABLE``, because trying it would take longer than
        about 20 ms: read it with ``await asyncio.to_thread(ring.decrypt_bytes, …)``. For a row from a text column, get
        the bytes with ``row_from_text``.

        Raises ``TAMPERED_OR_WRONG_CONTEXT``, ``KEY_RETIRED``, ``KEY_NEVER_ISSUED``, ``KEY_UNAVAILABLE`` (the only one
        worth retrying), ``INVALID_CIPHERTEXT`` for a value that is not bytes or has fewer than 28, ``INVALID_TEXT`` for
        a context that is not well-formed Unicode, ``INVALID_KEY_VALUE`` if the row's version does not hold a key, or
        ``RING_CLOSED``.
        """
        return self._decrypted(data, context, waits=True)

    def decrypt_field_nowait(self, data: bytes, context: str = "") -> str:
        """Decrypts a field to text with a cached key; see ``decrypt_bytes_nowait``."""
        return as_text(self.decrypt_bytes_nowait(data, context))

    def decrypt_bytes_nowait(self, data: bytes, context: str = "") -> bytes:
        """Decrypts a field with a cached key, without waiting for anything.

        Raises ``KEY_UNAVAILABLE`` if its key is not cached, and starts to fetch it, so that a later try succeeds.
        Otherwise raises what ``decrypt_bytes`` raises.
        """
        return self._decrypted(data, context, waits=False)

    def _decrypted(self, data: bytes, context: str, waits: bool) -> bytes:
        if self._is_closed:
            raise ring_closed()
        refuse_large_row(data)
        data = ciphertext_bytes(data)
        context_bytes = well_formed(context, "context")
        header = read_varint(data)
        if header is not None:  # nearly every row names a cached key
            key = self._keys.of_number.get(header[0])
            plaintext = None if key is None else open_numbered(data, key, header[1], context_bytes)
            if plaintext is not None:
                return plaintext
        refuse_long_attempts(data, len(self._keys.in_order))
        row = Row(data, header, context_bytes, self._legacy)
        plaintext = row.with_cached_keys(self._keys)
        if plaintext is not None:
            return plaintext
        if self._is_closed:
            raise ring_closed()
        if self._lookup is not None:
            return self._lookup.open(row) if waits else self._lookup.open_now(row)
        plaintext = row.under_number_of_any(self._keys)
        if plaintext is None:
            raise failed_with_environment_keys(row.number, max(self._environment_keys, default=0))
        return plaintext

    def decrypt_fields(self, rows: Iterable[tuple[bytes, str]]) -> list[str | KeyRotationError]:
        """Decrypts many fields with their contexts, in order.

        Each result is a text or an error, so that one bad row does not hide the others.
        """
        results: list[str | KeyRotationError] = []
        for data, context in rows:
            try:
                results.append(self.decrypt_field(data, context))
            except KeyRotationError as error:
                results.append(error)
        return results

    def usage(self) -> list[KeyUsage]:
        """How often each key has encrypted since the ring was opened: a gauge for the limit of 2^32."""
        return self._counter.usage()

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._is_closed

    @property
    def is_fallen_back(self) -> bool:
        """Whether the ring encrypts with the environment's key because AWS has not returned one yet."""
        return not self._is_closed and self._cache is not None and self._cache.current is None

    def refresh(self) -> None:
        """Asks AWS now which key is current. Raises the reason if AWS names no readable current key."""
        if self._is_closed:
            raise ring_closed()
        if self._cache is not None:
            self._cache.refresh()

    def warm(self) -> RingHealth:
        """Fetches every key of the ring, so that no later read waits for one. Later refreshes fetch each new key.

        Call it once, when the process starts; in an asyncio program with ``await asyncio.to_thread(ring.warm)``.
        Returns ``health()``, whose ``keys`` show which could not be read. Raises only ``RING_CLOSED``.
        """
        if self._is_closed:
            raise ring_closed()
        if self._cache is not None:
            self._cache.warm()
        return self.health()

    def health(self) -> RingHealth:
        """The state of the ring for a health endpoint, without a call to AWS. Never raises, even on a closed ring."""
        if self._is_closed:
            return closed_health(ring_closed())
        if self._cache is None:
            health, version_id = environment_health(self._environment_keys, self._writing_key), None
        else:
            health = ring_health(self._cache, self._max_key_age, self._environment_keys, self._writing_key)
            version_id = None if self._cache.current is None else self._cache.current.version_id
        return health._replace(can_encrypt=health.can_encrypt and not self._counter.is_exhausted(version_id))

    def close(self) -> None:
        """Ends calls, thread and connections and forgets the keys. Later calls raise ``RING_CLOSED``, except ``usage``.

        Keys are released without waiting for the garbage collector. Python cannot wipe memory, though: the bytes of a
        key, and the copies that boto3 and OpenSSL made, stay until something overwrites them. The settings keep the
        environment's key. May be called again.
        """
        if not self._is_closed:
            self._is_closed = True
            self._counter.report_all()
        self._environment_keys, self._writing_key = {}, None
        self._writer = None
        self._keys.clear()
        if self._cache is not None:
            self._cache.close()

    def __enter__(self) -> "KeyRing":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _current_writer(self) -> "_Writer":
        cache, writer = self._cache, self._writer
        current = None if cache is None else cache.current
        if cache is not None and current is not None:
            age = cache.clock.since(current.confirmed_at)
            if age >= self._time_to_live:
                current = self._confirmed(cache, current, age)
            self._is_stopped = False
        if self._is_closed:
            raise ring_closed()
        if writer is None or writer.current is not current:
            writer = self._writer = self._writer_for(current)
        return writer

    def _confirmed(self, cache: RingCache, current: CurrentKey, age: float) -> CurrentKey:
        """The current key, if AWS has confirmed it within ``max_key_age``; otherwise one that it confirms now."""
        cache.wake_if_overdue()
        if age > self._max_key_age:
            if not runs_event_loop():  # there, the thread that was just woken asks
                cache.refresh_if_not_just_tried()
            current = cache.current or current
            if cache.clock.since(current.confirmed_at) > self._max_key_age and not self._is_closed:
                raise self._stopped(cache)
        return current

    def _writer_for(self, current: CurrentKey | None) -> "_Writer":
        writing, version_id = self._writing_key, None
        if current is not None:
            writing, version_id = (current.number, current.key), current.version_id
        if writing is None:
            raise KeyRotationError("NO_CURRENT_KEY", "This ring has no key to encrypt with.")
        number, key = writing
        count = self._counter.of(version_id, number)
        return _Writer(current, key, number, count.add_one, count)

    def _stopped(self, cache: RingCache) -> KeyRotationError:
        reason = "" if cache.stale_because is None else f" {cache.stale_because}"
        error = KeyRotationError(
            "KEY_TOO_OLD",
            f"AWS Secrets Manager has not confirmed the current key for more than {self._max_key_age:g} s, so it "
            f"does not encrypt now. Decryption still works. Encryption works again as soon as AWS answers.{reason}",
        )
        if not self._is_stopped:
            self._is_stopped = True
            log_event("encryption_stopped", {"code": error.code, "reason": str(error)})
        return error

    def _after_fork(self) -> None:
        self._counter.after_fork()
        if self._cache is not None and self._lookup is not None:
            self._cache.after_fork()
            self._lookup.after_fork()
        else:
            self._keys.after_fork()


def _require_range(name: str, value: float, least: float, most: float) -> None:
    is_number = isinstance(value, (int, float))
    if not (is_number and least <= value <= most):
        found = f"{value:g}" if is_number else type(value).__name__
        raise KeyRotationError(
            "INVALID_SETTINGS", f"{name} must be a number of seconds from {least:g} to {most:g}, got {found}."
        )
