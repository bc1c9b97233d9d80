"""Bounds for texts of an app: an exception's message, a log line, a line of source code."""

import hashlib
from collections.abc import Callable
from typing import Any, Final

MAX_LABEL: Final = 500
"""Number of characters of a name, topic, state, context id or other short text."""
MAX_SNIPPET: Final = 4_000
"""Number of characters of source code or of a longer text without another limit."""
MAX_SETTINGS: Final = 50
"""Number of settings of one registration."""
_DIGEST: Final = 12
LONGEST_SECRET = 8_000
"""Number of characters of the longest secret that is masked in a text of any length."""


def redact_and_cut(text: str, limit: int, redact: Callable[[str], str]) -> str:
    """Mask the secrets of a text, then cut it to a number of characters.

    The cost does not depend on the length of the text: only its beginning is searched for secrets.
    """
    window = text[: limit + 2 * LONGEST_SECRET]
    clean = redact(window)
    if len(window) < len(text):
        # The window may end in the middle of a secret, and then the first half of that secret is not masked.
        clean = clean[:-LONGEST_SECRET]
    elif len(clean) <= limit:
        return clean
    return f"{clean[: limit - 1]}…"


def cut(text: str, limit: int) -> str:
    """Cut a text to a number of characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def cut_label(text: str) -> str:
    """Cut a short text, such as a name or a state, to `MAX_LABEL` characters."""
    return text if len(text) <= MAX_LABEL else cut(text, MAX_LABEL)


def cut_key(text: str) -> str:
    """Cut a text of a natural key to `MAX_LABEL` characters. Different texts stay different."""
    if len(text) <= MAX_LABEL:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_DIGEST]
    return f"{text[: MAX_LABEL - _DIGEST - 1]}…{digest}"


def cut_fields(record: Any, limit: int = MAX_SNIPPET) -> Any:
    """Return a named tuple whose texts have at most a number of characters; the same one if none is longer."""
    changes = {
        name: cut(value, limit)
        for name, value in zip(record._fields, record, strict=True)
        if isinstance(value, str) and len(value) > limit
    }
    return record._replace(**changes) if changes else record
