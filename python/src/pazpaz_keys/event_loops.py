"""Whether a thread runs an event loop, which nothing may block."""

import sys


def runs_event_loop() -> bool:
    """Whether the calling thread is within a running asyncio event loop, uvloop's included."""
    asyncio = sys.modules.get("asyncio")  # importing it would take longer than everything else here
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
