"""Conversion of texts to a form that SQLite can store."""

import json
from collections.abc import Iterable


def cleaned_text(text: str) -> str:
    """Return text with lone surrogates, which have no UTF-8 form, replaced by question marks."""
    return text.encode("utf-8", "replace").decode()


def json_object(pairs: Iterable[tuple[str, str]]) -> str:
    """Return pairs as a JSON object, without NUL characters: SQLite's JSON functions stop reading at a NUL."""
    clean = {name: value.replace("\0", "") for name, value in pairs}
    return cleaned_text(json.dumps(clean, ensure_ascii=False, separators=(",", ":")))
