"""JSON as Home Assistant reads it: without what Python lets through."""

import json
from typing import Any


def read_json(text: str) -> Any:
    """Read a text.

    Raises:
        ValueError: It is no JSON; a NaN, an infinity and half a character are none.
    """
    read = json.loads(text, parse_constant=_refuse)
    json.dumps(read, ensure_ascii=False).encode()
    return read


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
