"""Times that `self.storage` can keep: their checks, and their form in the file."""

from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

StoredTime = datetime | date | time | timedelta

_SECOND = timedelta(seconds=1)


def stored_time(value: StoredTime) -> StoredTime:
    """Return a time as the storage keeps it: of Python's own class, and with a zone that the next start knows.

    Raises:
        TypeError: The value has a zone or a precision that the file cannot keep. The message begins with "must".
    """
    plain = _plain(value)
    if _without_zone(plain) != _without_zone(value):  # a timestamp of pandas has nanoseconds
        raise TypeError(f"must be a time with microseconds, got {value!r}; store a datetime made of it")
    return plain


def _plain(value: StoredTime) -> StoredTime:
    if isinstance(value, timedelta):
        return timedelta(value.days, value.seconds, value.microseconds)
    if isinstance(value, datetime):
        parts = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
        return datetime(*parts, tzinfo=_stored_zone(value.tzinfo), fold=value.fold)
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    parts = (value.hour, value.minute, value.second, value.microsecond)
    return time(*parts, tzinfo=_stored_zone(value.tzinfo), fold=value.fold)


def _without_zone(value: StoredTime) -> StoredTime:
    return value.replace(tzinfo=None) if isinstance(value, datetime | time) else value


def _stored_zone(zone: tzinfo | None) -> tzinfo | None:
    if zone is None or type(zone) is timezone:
        return zone
    if type(zone) is ZoneInfo and zone.key:
        try:
            return ZoneInfo(zone.key)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # the zone comes from a file of the app, and the next start could not find it
    raise TypeError(
        f"must have a time zone of zoneinfo, such as ZoneInfo('Europe/Vienna'), or a fixed offset, got {zone!r}"
    )


def time_to_json(value: StoredTime) -> dict[str, Any]:
    """Return a time in the form of the file: ``{"$datetime": "2026-03-29T01:30:00+01:00"}``.

    A time with a zone, a named offset, an offset of less than a second or a fold is a table:
    ``{"$datetime": {"at": "…", "zone": "Europe/Vienna"}}``.
    """
    if isinstance(value, timedelta):
        return {"$timedelta": [value.days, value.seconds, value.microseconds]}
    if not isinstance(value, datetime | time):
        return {"$date": value.isoformat()}
    kind = "$datetime" if isinstance(value, datetime) else "$time"
    zone = value.tzinfo
    parts: dict[str, Any] = {}
    if isinstance(zone, ZoneInfo):
        parts["zone"] = zone.key
        value = value.replace(tzinfo=None)
    elif isinstance(zone, timezone):
        offset = zone.utcoffset(None)
        if zone.tzname(None) != timezone(offset).tzname(None):
            parts["name"] = zone.tzname(None)
        if timedelta() < abs(offset) < _SECOND:  # fromisoformat() reads such an offset as UTC
            parts["offset_us"] = offset // timedelta(microseconds=1)
            value = value.replace(tzinfo=None)
    if value.fold:
        parts["fold"] = value.fold
    text = value.isoformat()
    return {kind: {"at": text, **parts} if parts else text}


def time_from_json(kind: type[datetime] | type[time], content: Any) -> datetime | time:
    """Return the datetime or time of a form in the file.

    Raises:
        ValueError, TypeError: No time has this form.
        ZoneInfoNotFoundError: This machine does not know the time zone. The argument of the error is its key.
    """
    if not isinstance(content, dict):
        return kind.fromisoformat(content)
    parts = cast("dict[str, Any]", content)
    if unknown := parts.keys() - {"at", "zone", "name", "offset_us", "fold"}:
        raise ValueError(f"a time must have at, zone, name, offset_us and fold, got {sorted(unknown)}")
    value = kind.fromisoformat(parts.get("at"))  # pyright: ignore[reportArgumentType]  None is a TypeError
    zone = value.tzinfo
    if (offset_us := parts.get("offset_us")) is not None:
        zone = timezone(timedelta(microseconds=offset_us))
    if (key := parts.get("zone")) is not None:
        try:
            zone = ZoneInfo(key)
        except (ZoneInfoNotFoundError, OSError):
            raise ZoneInfoNotFoundError(key) from None
    elif (name := parts.get("name")) is not None:
        offset = None if zone is None else zone.utcoffset(None)
        if offset is None:
            raise ValueError("a time with the name of a zone must have an offset")
        zone = timezone(offset, name)
    return value.replace(tzinfo=zone, fold=parts.get("fold", 0))
