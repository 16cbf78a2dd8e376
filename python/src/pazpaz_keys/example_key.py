"""The key that the setup guide prints as an example (docs/guide.md). Everyone knows it."""

import base64

from .key_material import KeyMaterial

_EXAMPLE_KEY = KeyMaterial(base64.b64decode("rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY="))

EXAMPLE_KEY_REFUSED = (
    "is the example key of the setup guide, which everyone knows. It encrypts only where ENVIRONMENT is 'local' or "
    "'development'. "
    "Make a new key (openssl rand -base64 32)."
)
"""The end of an error message about the example key."""


def is_refused_example(key: KeyMaterial, environment: object) -> bool:
    """Whether a key is the published example in an environment where it may decrypt, but must not encrypt."""
    return environment not in ("local", "development") and key == _EXAMPLE_KEY
