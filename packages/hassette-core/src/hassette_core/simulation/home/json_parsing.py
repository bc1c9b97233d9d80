"""Parse JSON as strictly as Home Assistant does."""

import json
from typing import Any


def parse_json(text: str) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: The text is not JSON, or contains NaN, an infinity or a lone surrogate. Python's parser accepts
            these three; Home Assistant does not.
    """
    parsed = json.loads(text, parse_constant=_refuse)
    json.dumps(parsed, ensure_ascii=False).encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
    return parsed


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
