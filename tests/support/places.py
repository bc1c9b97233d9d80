"""Places with interesting clocks and suns, and states of entities that hold a time."""

from datetime import UTC, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from hassette_core.events import Context, State
from hassette_core.moments import Place

BERLIN = Place(zone=ZoneInfo("Europe/Berlin"), latitude=52.5, longitude=13.4)
TROMSO = Place(zone=ZoneInfo("Europe/Oslo"), latitude=69.65, longitude=18.96)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia", "UTC"]
"""Lord Howe changes its clocks by half an hour, Havana at midnight. Apia skipped a day. UTC has no clock changes."""


def utc(text: str) -> datetime:
    """Return a moment in UTC, such as ``2026-06-01 10:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def state_of(entity_id: str, value: str) -> dict[str, State]:
    """Return the states of a home with one entity."""
    moment = utc("2026-01-01 00:00")
    return {entity_id: State(entity_id, value, MappingProxyType({}), moment, moment, Context("C"))}
