"""The active filters of a page, each with the link that removes it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from hassette_sync.formatting import duration, label, status_label


class Chip(NamedTuple):
    """One active filter: ``app motion_light``. ``removed`` contains the changes of the address that remove it."""

    name: str
    value: str
    removed: Mapping[str, None]


# Parameters that are no filters. The time range and the choice of what to compare with have their own controls.
_NO_FILTERS = frozenset({"since", "until", "cursor", "sort", "find", "fold", "at", "q", "against"})


def _duration(text: str) -> str:
    return duration(int(text)) if text.isascii() and text.isdigit() else text


_NAMES = {
    "min_duration_us": "at least",
    "max_duration_us": "at most",
    "error_group": "error",
    "finding": "difference",
    "registration": "handler or job",
    "routine": "ordinary starts and stops",
    "status": "result",
}
_VALUES: Mapping[str, Callable[[str], str]] = {
    "min_duration_us": _duration,
    "max_duration_us": _duration,
    "status": status_label,
    "finding": label,
    "routine": lambda _: "shown",
}


def chips_of(query: Mapping[str, str], shown: Mapping[str, str] | None = None) -> list[Chip]:
    """Return the active filters in the address of a page.

    Args:
        query: Parameters in the address.
        shown: Texts to show in place of values, such as the name of a handler in place of its id, by parameter.
    """
    return [
        Chip(
            _NAMES.get(key, label(key)),
            (shown or {}).get(key) or _VALUES.get(key, str)(value),
            {key: None},
        )
        for key, value in query.items()
        if value and key not in _NO_FILTERS
    ]
