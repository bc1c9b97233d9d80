"""`Redaction`: mask known secrets in a text."""

import json
from collections.abc import Collection

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
        # Each secret is also masked in its quoted forms, as in the JSON of a service call or the repr of a value.
        forms = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1])}
        forms |= {json.dumps(secret, ensure_ascii=False)[1:-1] for secret in secrets}
        self._secrets = tuple(sorted(forms, key=len, reverse=True))
        self._shortest = len(self._secrets[-1]) if self._secrets else 0

    @classmethod
    def for_records(cls, secrets: Collection[str]) -> "Redaction":
        """Return a redaction for records, which does not mask secrets shorter than `MIN_LENGTH`.

        A short secret, such as an alarm code, is part of many numbers. If short secrets were masked, records would be
        full of masks.
        """
        return cls([secret for secret in secrets if len(secret) >= MIN_LENGTH])

    def __call__(self, text: str) -> str:
        """Return the text with all secrets masked."""
        if len(text) < self._shortest:
            return text
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def __bool__(self) -> bool:
        """Return whether there are any secrets."""
        return bool(self._secrets)
