"""Numbers and times as people read them; for the terminal and the pages alike."""

from datetime import datetime

SECOND_US = 1_000_000
_STATUS_WORDS = {
    "success": "ok",
    "error": "failed",
    "cancelled": "cancelled",
    "timed_out": "timed out",
    "interrupted": "interrupted",
    "failed": "any failure",
}
INCIDENT_WORDS = {
    "database_recovered": "The history was damaged and set up anew with what could be read",
    "database_upgraded": "The history was upgraded",
}
"""What befell the history file, by the kind of the lifecycle event."""


def duration(us: int | None) -> str:
    """Say a duration: ``900 µs``, ``1.2 ms``, ``12 ms``, ``1.2 s``, ``2 min 5 s``, ``3 h 20 min``, ``4 d 2 h``."""
    if us is None:
        return "–"
    if us < 1_000:
        return f"{us} µs"
    # What rounds up to the next unit or place is said in it: no "10.0 ms", no "1000 ms".
    if us < 9_950:
        return f"{us / 1_000:.1f} ms"
    if us < 999_500:
        return f"{us / 1_000:.0f} ms"
    if us < 60 * SECOND_US:
        return f"{us / SECOND_US:.1f} s"
    seconds = us // SECOND_US
    for small, large, small_name, large_name in ((1, 60, "s", "min"), (60, 3_600, "min", "h")):
        if seconds < large * (60 if large == 60 else 24):
            rest = seconds % large // small
            return f"{seconds // large} {large_name}" + (f" {rest} {small_name}" if rest else "")
    days, hours = divmod(seconds // 3_600, 24)
    return f"{days} d" + (f" {hours} h" if hours else "")


def moment(us: int | None, *, now_us: int, seconds: bool = True) -> str:
    """Say a moment in local time: the time alone for today, with the date otherwise."""
    if us is None:
        return "–"
    local, today = datetime.fromtimestamp(us / SECOND_US), datetime.fromtimestamp(now_us / SECOND_US)  # noqa: DTZ006  local time is meant
    clock = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    if local.date() == today.date():
        return clock
    if local.year == today.year:
        return f"{local.day} {local:%b} {clock}"
    return f"{local.day} {local:%b} {local.year} {clock}"


def iso(us: int) -> str:
    """Say a moment exactly: local time with its offset."""
    return datetime.fromtimestamp(us / SECOND_US).astimezone().isoformat(timespec="milliseconds")


def ago(us: int | None, *, now_us: int) -> str:
    """Say how long ago (or how soon) a moment is: ``just now``, ``12 s ago``, ``in 3 min``."""
    if us is None:
        return "never"
    distance = now_us - us
    if abs(distance) < SECOND_US:
        return "just now"
    said = coarse(abs(distance))
    return f"{said} ago" if distance > 0 else f"in {said}"


def coarse(us: int) -> str:
    """Say a long duration with one unit: ``12 s``, ``3 min``, ``5 h``, ``2 d``."""
    seconds = us // SECOND_US
    for limit, unit, name in ((120, 1, "s"), (120 * 60, 60, "min"), (48 * 3_600, 3_600, "h")):
        if seconds < limit:
            return f"{seconds // unit} {name}"
    return f"{seconds // 86_400} d"


def number(value: int) -> str:
    """Say a count: ``1,234``."""
    return f"{value:,}"


def share(value: float | None) -> str:
    """Say a share: ``0 %``, ``0.3 %``, ``12 %``, and 100 % only when nothing is missing."""
    if value is None:
        return "–"
    percent = value * 100
    if percent in (0, 100):
        return f"{percent:.0f} %"
    if percent < 10:
        return f"{max(percent, 0.1):.1f} %"
    return f"{min(percent, 99.9):.1f} %" if percent > 99 else f"{percent:.0f} %"


def size(count: int) -> str:
    """Say a number of bytes: ``512 B``, ``1.2 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1_000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1_000
    return f"{value:.1f} GB"


def sendable(text: str) -> str:
    """Return a text that UTF-8 can hold: half a surrogate pair, which it cannot, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def status(value: str) -> str:
    """Say how a run ended."""
    return _STATUS_WORDS.get(value, value.replace("_", " "))


def words(value: str) -> str:
    """Say a name of ours with spaces: ``rate_limited`` is ``rate limited``."""
    return value.replace("_", " ")
