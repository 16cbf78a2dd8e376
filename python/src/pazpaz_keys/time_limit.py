"""Calls that end in time."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Outcome(Generic[T]):
    value: T
    error: BaseException | None = None


def within(seconds: float, call: Callable[[], T]) -> T:
    """What ``call`` gives, or its error; ``TimeoutError`` after ``seconds``.

    A socket's time limit is one for each read: a service that sends a byte now and then holds a thread for ever. Such a
    thread is left behind, a daemon that keeps no process alive.
    """
    outcome: _Outcome[T] = _Outcome()
    ended = threading.Event()

    def run() -> None:
        try:
            outcome.value = call()
        except BaseException as error:  # handed on below
            outcome.error = error
        ended.set()

    threading.Thread(target=run, name="pazpaz-keys-call", daemon=True).start()
    if not ended.wait(seconds):
        raise TimeoutError
    if outcome.error is not None:
        raise outcome.error
    return outcome.value
