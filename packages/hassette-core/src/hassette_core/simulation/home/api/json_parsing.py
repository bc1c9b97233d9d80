"""Parse JSON as strictly as Home Assistant does."""

import json
from typing import Any


def parse_json(text: str) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: The text is not JSON, is nested too deeply, or contains NaN, an infinity or a lone surrogate.
            Python's parser accepts the last three; Home Assistant does not.
    """
    try:
        parsed = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("the text is nested too deeply") from None
    json.dumps(parsed, ensure_ascii=False).encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
    return parsed


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
