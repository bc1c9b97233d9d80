"""Keys on pages, which prove that a request comes from a page of this server."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final

_BYTES: Final = 32


class PageKeys:
    """Keys on pages. Other sites cannot read the pages, so they do not know a key.

    Each visitor has a different key, so a key is not valid for another visitor. Each page contains it in a different
    form: a page is compressed, and its length would otherwise reveal the key next to texts from the address (BREACH).

    Args:
        secret: Returns the secret of this installation.
    """

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    @property
    def name(self) -> str:
        """Name of the secret. Keys of other secrets are not valid; a page then uses its new key at once."""
        return hashlib.sha256(self._key("name")).hexdigest()[:12]

    def new(self, visitor: str = "") -> str:
        """Return the key for a visitor, in a form that no other page has.

        Args:
            visitor: Key of the visitor's session; empty without a session.
        """
        mask = secrets.token_bytes(_BYTES)
        return base64.urlsafe_b64encode(mask + _xor(self._key(visitor), mask)).decode().rstrip("=")

    def accepts(self, key: str, visitor: str = "") -> bool:
        """Return whether a key is from a page of this visitor."""
        try:
            data = base64.urlsafe_b64decode(key[:200].encode("ascii") + b"==")
        except (binascii.Error, ValueError):
            return False
        if len(data) != 2 * _BYTES:
            return False
        return hmac.compare_digest(_xor(data[:_BYTES], data[_BYTES:]), self._key(visitor))

    def _key(self, visitor: str) -> bytes:
        return hmac.new(self._secret(), visitor.encode(), hashlib.sha256).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
