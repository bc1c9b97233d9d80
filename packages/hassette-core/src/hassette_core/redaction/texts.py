"""`Redaction`: mask known secrets in a text."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Collection, Iterator
from urllib.parse import quote, quote_plus

from hassette_core.redaction.keys import MASK, MIN_LENGTH


class Redaction:
    """Masks known secrets in texts. Mask a text before you truncate it, because half of a secret is not found.

    Example:
        >>> Redaction({"hunter22"})("the password is hunter22")
        'the password is •••'

    Args:
        secrets: The texts to mask.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        self._min_length = 0
        self._forms: tuple[str, ...] = ()
        self.add(secrets)

    def add(self, secrets: Collection[str]) -> None:
        """Mask more secrets from now on. The secrets that this object masks already stay masked."""
        forms = {form for secret in secrets if len(secret) >= self._min_length for form in _forms_of(secret)}
        self._forms = tuple(sorted(forms.union(self._forms), key=len, reverse=True))
        self._shortest = len(self._forms[-1]) if self._forms else 0

    @classmethod
    def for_records(cls, secrets: Collection[str]) -> "Redaction":
        """Return a redaction for records, which does not mask secrets shorter than `MIN_LENGTH`.

        A short secret, such as an alarm code, is part of many numbers. If short secrets were masked, records would be
        full of masks.
        """
        redaction = cls([secret for secret in secrets if len(secret) >= MIN_LENGTH])
        redaction._min_length = MIN_LENGTH
        return redaction

    def __call__(self, text: str) -> str:
        """Return the text with all secrets masked."""
        if len(text) < self._shortest:
            return text
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def __bool__(self) -> bool:
        """Return whether there are any secrets."""
        return bool(self._forms)


def _forms_of(secret: str) -> Iterator[str]:
    """Yield a secret, and its forms in JSON, in the repr of a value, in an address, in one line, and in base64."""
    yield secret
    # For example a private key: descriptions of errors put its lines into one line.
    if len(line := " ".join(secret.split())) >= MIN_LENGTH:  # a shorter line may be part of another text
        yield line
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield ascii(secret)[1:-1]
    # A variable of the environment may contain surrogates, which UTF-8 cannot encode.
    yield repr(secret.encode("utf-8", "backslashreplace"))[2:-1]
    yield quote(secret, errors="backslashreplace")
    yield quote(secret, safe="", errors="backslashreplace")
    yield quote_plus(secret, errors="backslashreplace")
    yield from _base64_forms_of(secret.encode("utf-8", "backslashreplace"))


def _base64_forms_of(secret: bytes) -> Iterator[str]:
    """Yield the characters of base64 that only depend on the secret and not on the text before and after it.

    For example, the header of HTTP's basic authentication contains the user name and the password in base64.
    """
    if len(secret) < MIN_LENGTH:
        return  # the few characters may be part of another word
    for before in range(3):  # base64 encodes three bytes at a time, so there are three positions
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(bytes(before) + secret).decode()
            # One character has six bits.
            yield text[-(-8 * before // 6) : 8 * (before + len(secret)) // 6]
