"""Bounds for texts of an app: an exception's message, a log line, a line of source code."""

from collections.abc import Callable

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
