"""Field encryption under a key ring in AWS Secrets Manager that may rotate at any time."""

from .application_log import JsonFormatter
from .errors import ErrorCode, InvalidKeyValueError, KeyRotationError
from .field import decrypt_bytes, decrypt_field, encrypt_field
from .key_material import KeyMaterial
from .key_ring import KeyRing
from .key_usage import KeyUsage
from .keys_for_tests import TestKeys
from .process_ring import share_ring, shared_ring
from .ring_health import KeyHealth, RingHealth
from .row_from_json import row_from_json
from .row_from_text import row_from_text
from .settings import Settings, load_settings

__all__ = [
    "ErrorCode",
    "InvalidKeyValueError",
    "JsonFormatter",
    "KeyHealth",
    "KeyMaterial",
    "KeyRing",
    "KeyRotationError",
    "KeyUsage",
    "RingHealth",
    "Settings",
    "TestKeys",
    "decrypt_bytes",
    "decrypt_field",
    "encrypt_field",
    "load_settings",
    "row_from_json",
    "row_from_text",
    "share_ring",
    "shared_ring",
]
