"""The two functions of the setup guide, with a given key."""

from ..field import decrypt_bytes, decrypt_field, encrypt_field

__all__ = ["decrypt_bytes", "decrypt_field", "encrypt_field"]
