"""What a forked child must create again: connections, threads, and locks that a thread of the parent held."""

import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_renewals: "weakref.WeakKeyDictionary[Any, Callable[[Any], None]]" = weakref.WeakKeyDictionary()


def renew_in_child(thing: T, renew: Callable[[T], None]) -> None:
    """Makes each child process call ``renew(thing)`` first. ``renew`` must not hold a reference to the thing."""
    _renewals[thing] = renew


def _renew_all() -> None:
    for thing, renew in list(_renewals.items()):
        renew(thing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
