"""``from pazpaz_keys.core.config import settings``: the settings of this process, read on first use."""

from typing import Any

from ..settings import Settings, load_settings

__all__ = ["Settings", "load_settings", "settings"]

settings: Settings


# Not at import, so that tools can import this module without an environment.
def __getattr__(name: str) -> Any:
    if name != "settings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # setdefault is atomic, so all threads get the same settings. A lock might be held during a fork.
    return globals().setdefault("settings", load_settings())
