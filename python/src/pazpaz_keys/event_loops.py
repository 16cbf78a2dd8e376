"""Whether a thread runs an event loop, which must not be blocked."""

import sys


def runs_event_loop() -> bool:
    """Whether the calling thread is within a running asyncio event loop, including uvloop's."""
    asyncio = sys.modules.get("asyncio")  # importing asyncio would take longer than the rest of this module
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
