"""Parts of JSON messages: list them, and replace one of them."""

import copy
from collections.abc import Iterator
from typing import Any, cast

PartPath = tuple[str | int, ...]
REMOVED = object()
"""In place of a value: the part is removed."""


def paths(value: object, before: PartPath = ()) -> Iterator[PartPath]:
    """Yield the path of each part of a message, and only the first item of each list."""
    yield before
    if isinstance(value, dict):
        for key, part in cast("dict[str, object]", value).items():
            yield from paths(part, (*before, key))
    elif isinstance(value, list) and value:
        yield from paths(cast("list[object]", value)[0], (*before, 0))


def with_part(message: dict[str, Any], path: PartPath, value: object) -> Any:
    """Return a copy of a message in which one part is replaced or removed."""
    if not path:
        return {} if value is REMOVED else value
    changed = copy.deepcopy(message)
    part: Any = changed
    for key in path[:-1]:
        part = part[key]
    if value is REMOVED:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return changed
