"""``from pazpaz_keys.core.config import settings``: the settings of this process, read when first asked for."""

import threading
from typing import Any

from ..settings import Settings, load_settings

__all__ = ["Settings", "load_settings", "settings"]

settings: Settings

_lock = threading.Lock()


# Not at import, so that tools which only look at this module need no environment.
def __getattr__(name: str) -> Any:
    if name != "settings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _lock:
        if "settings" not in globals():
            globals()["settings"] = load_settings()
    return globals()["settings"]
