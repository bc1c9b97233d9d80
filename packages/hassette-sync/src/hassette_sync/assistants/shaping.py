"""Convert answers to short JSON for an assistant: readable times, no empty fields, and a limit on the length."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, cast

from hassette_sync.answers.values import json_values
from hassette_sync.formatting import plural, replace_surrogates
from hassette_sync.home_time import HomeTime, ShownTimes

MAX_BYTES: Final = 20_000
"""Maximum length of the result of a tool, as it is sent."""

# The rest of the message around the text: names of fields, and the id of the request.
_ENVELOPE: Final = 600
# Characters of a text, and entries of a list. The first step that makes the answer short enough is used.
_STEPS: Final = (
    *((4_000, 1_000), (1_500, 1_000), (600, 1_000), (600, 50), (600, 20), (600, 10), (600, 5)),
    *((200, 10), (200, 5), (200, 3), (80, 3), (80, 1), (80, 0)),
)
_DURATIONS: Final = frozenset(
    {
        *("duration_us", "waited_us", "total_us", "mean_us", "max_us", "p50_us", "p95_us", "p99_us", "up_us"),
        *("confirmed_us", "silent_for_us", "usual_gap_us", "period_length_us", "utc_offset_us", "bands_us"),
    }
)


def shaped(answer: Mapping[str, object], home: HomeTime) -> dict[str, Any]:
    """Convert an answer to JSON values.

    Times become ISO texts in the home's time zone with their offset, and lose the ending ``_us``. Durations become
    milliseconds with the ending ``_ms``. Ids are texts. Fields without a value are left out, but empty
    lists of the answer itself stay.

    Args:
        answer: Values and models by name.
        home: The home's time zone.
    """
    moment = ShownTimes(home, 0)
    fields = (_field(key, one, moment) for key, one in json_values(answer).items())
    return {key: one for key, one in fields if one not in (None, "")}


def _shaped(value: Any, moment: ShownTimes) -> Any:
    if isinstance(value, Mapping):
        fields = (_field(str(key), one, moment) for key, one in cast("Mapping[Any, Any]", value).items())
        return {key: one for key, one in fields if one not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [_shaped(one, moment) for one in cast("list[Any]", value)]
    return replace_surrogates(value) if isinstance(value, str) else value


def _field(key: str, value: Any, moment: ShownTimes) -> tuple[str, Any]:
    if key in _DURATIONS:
        name = f"{key.removesuffix('_us')}_ms"
        if isinstance(value, list):
            return name, [round(one / 1_000, 3) for one in cast("list[int]", value)]
        return name, None if value is None else round(value / 1_000, 3)
    if key.endswith("_us") and isinstance(value, int):
        return key.removesuffix("_us"), moment.iso(value)
    return key, _shaped(value, moment)


def bounded_json(value: Mapping[str, Any]) -> str:
    """Return an object as compact JSON, shortened until the result of a tool is at most 20 kB.

    First long texts are cut, then long lists, step by step. ``shortened`` reports this to the assistant, with the
    number of entries that each list lost.
    """
    for longest, most in _STEPS:
        left_out: Counter[str] = Counter()
        kept = _cut(value, longest, most, "", left_out)
        text = _compact(kept if kept == value else {**kept, "shortened": _note(longest, left_out)})
        if _is_short(text):
            return text
    return _compact({"error": "The answer is too long. Ask for a shorter time or fewer entries."})


def _note(longest: int, left_out: Counter[str]) -> dict[str, object]:
    texts = f"up to {longest} characters"
    return {"texts": texts, "entries_left_out": dict(left_out)} if left_out else {"texts": texts}


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_short(text: str) -> bool:
    # The text is sent within JSON, which may write it with only ASCII characters.
    return len(json.dumps(text)) + _ENVELOPE <= MAX_BYTES


def _cut(value: Any, longest: int, most: int, path: str, left_out: Counter[str]) -> Any:
    """Return a copy with cut texts and lists. ``left_out`` counts the entries that each list lost, by its path."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value).items()
        return {key: _cut(one, longest, most, f"{path}.{key}" if path else key, left_out) for key, one in fields}
    if isinstance(value, list):
        entries = cast("list[Any]", value)
        if len(entries) > most:
            left_out[path] += len(entries) - most
        return [_cut(one, longest, most, f"{path}[]", left_out) for one in entries[:most]]
    if isinstance(value, str) and len(value) > longest:
        return f"{value[:longest]}… ({plural(len(value) - longest, 'more character')})"
    return value
