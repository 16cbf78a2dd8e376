"""Clocks that a test moves."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from pazpaz_keys.clock import RingClock
from ring_words import until
from secret_in_memory import SecretInMemory


class MovedClock(RingClock):
    """The clocks of this machine, moved by a test."""

    def __init__(self) -> None:
        super().__init__(lambda: time.time() + self.ahead - self.wall_set_back, lambda: time.monotonic() + self.ahead)
        self.ahead = 0.0
        self.wall_set_back = 0.0


class ManualClock(RingClock):
    """A clock that stands still but for ``time_of`` and for who moves it by hand."""

    def __init__(self) -> None:
        super().__init__(lambda: self.seconds, lambda: self.seconds)
        self.seconds = 1000.0
        self._waits: dict[int, tuple[threading.Event, float]] = {}

    def wait(self, event: threading.Event, seconds: float) -> bool:
        me, end = threading.get_ident(), self.seconds + seconds
        self._waits[me] = (event, end)
        try:
            while not event.wait(0.002) and self.seconds < end:
                pass
        finally:
            del self._waits[me]
        return event.is_set()

    def time_of(self, secret: SecretInMemory, act: Callable[[], Any]) -> tuple[float, Any]:
        """How long something takes where nothing takes time but AWS, which hangs; and what it gives or raises."""
        started, outcome = self.seconds, Future[Any]()

        def run() -> None:
            try:
                outcome.set_result(act())
            except Exception as error:
                outcome.set_result(error)

        asking = threading.Thread(target=run, name="pazpaz-keys-asking", daemon=True)
        asking.start()

        def has_ended() -> bool:
            # The one who asks is looked at first: those to whom it has given work are there before it waits.
            if asking.ident in self._waits and not self._is_anybody_at_work(secret):
                self.seconds = min(end for _, end in dict(self._waits).values())
            return outcome.done() and not self._is_anybody_at_work(secret)

        until(has_ended, 60)
        return self.seconds - started, outcome.result()

    def _is_anybody_at_work(self, secret: SecretInMemory) -> bool:
        """Whether a thread of the ring does anything else than wait."""
        waits = dict(self._waits)
        if any(event.is_set() or end <= self.seconds for event, end in waits.values()):
            return True
        return any(
            thread.ident not in secret.hanging and thread.ident not in waits
            for thread in threading.enumerate()
            if thread.name.startswith("pazpaz-keys") and thread.name != "pazpaz-keys-refresh"
        )
