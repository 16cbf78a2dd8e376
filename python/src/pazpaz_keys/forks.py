"""What a forked child makes anew: locks that a thread held which did not come along, connections, threads."""

import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_renewals: "weakref.WeakKeyDictionary[Any, Callable[[Any], None]]" = weakref.WeakKeyDictionary()


def renew_in_child(thing: T, renew: Callable[[T], None]) -> None:
    """Has each child process call ``renew(thing)`` before it goes on. ``renew`` must not hold the thing itself."""
    _renewals[thing] = renew


def _renew_all() -> None:
    for thing, renew in list(_renewals.items()):
        renew(thing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
