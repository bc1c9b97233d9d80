"""`Calendars`: the events of the calendars, and the items of the to-do lists, of the simulated home."""

from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hassette_core.clock import Timer
from hassette_core.simulation.home.core import HomeCore, Json


class CalendarEntry(NamedTuple):
    """An event of a calendar. An all-day event has dates instead of times; its end is the day after its last day."""

    uid: str
    summary: str
    start: datetime | date
    end: datetime | date
    description: str = ""
    location: str = ""

    def as_json(self) -> Json:
        """Return the event as ``calendar.get_events`` does."""
        optional = {"description": self.description, "location": self.location}
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "summary": self.summary,
            **{key: value for key, value in optional.items() if value},
        }


class Calendars:
    """The calendars of the home. A calendar is ``on`` during its events.

    Args:
        core: The states and events of the home.
        time_zone: The time zone of all-day events.
    """

    def __init__(self, core: HomeCore, time_zone: ZoneInfo) -> None:
        self._core = core
        self._time_zone = time_zone
        self._entries: dict[str, list[CalendarEntry]] = {}
        self._timers: dict[str, Timer] = {}

    def add(
        self,
        entity_id: str,
        summary: str,
        start: datetime | date,
        end: datetime | date,
        *,
        description: str = "",
        location: str = "",
    ) -> CalendarEntry:
        """Add an event. A calendar without an entity gets one.

        Raises:
            ValueError: ``end`` is not after ``start``, a time is naive, or one is a time and the other a date.
        """
        entry = CalendarEntry(self._core.new_id(), summary, start, end, description, location)
        if isinstance(start, datetime) != isinstance(end, datetime):
            raise ValueError(f"end must be of the same kind as start, got {start!r} and {end!r}")
        if any(isinstance(each, datetime) and each.tzinfo is None for each in (start, end)):
            raise ValueError(f"start and end must be aware, got {start!r} and {end!r}")
        if self._moment(end) <= self._moment(start):
            raise ValueError(f"end must be after start, got {start!r} and {end!r}")
        self._entries.setdefault(entity_id, []).append(entry)
        self._entries[entity_id].sort(key=lambda each: self._moment(each.start))
        self._update(entity_id)
        return entry

    def between(self, entity_id: str, start: datetime, end: datetime) -> list[CalendarEntry]:
        """Return the events that overlap a period."""
        return [
            entry
            for entry in self._entries.get(entity_id, [])
            if self._moment(entry.start) < end and self._moment(entry.end) > start
        ]

    def next_boundary(self, entity_id: str, kind: str, offset: timedelta) -> tuple[datetime, CalendarEntry] | None:
        """Return the next start or end of an event, shifted by an offset, and the event."""
        now = self._core.clock.now()
        moments = [
            (self._moment(entry.start if kind == "start" else entry.end) + offset, entry)
            for entry in self._entries.get(entity_id, [])
        ]
        return min((each for each in moments if each[0] > now), key=lambda each: each[0], default=None)

    def _moment(self, when: datetime | date) -> datetime:
        return when if isinstance(when, datetime) else datetime.combine(when, time(), self._time_zone)

    def _update(self, entity_id: str) -> None:
        """Write the state of a calendar, and set a timer for its next change."""
        if (timer := self._timers.pop(entity_id, None)) is not None:
            timer.cancel()
        now = self._core.clock.now()
        left = [entry for entry in self._entries[entity_id] if self._moment(entry.end) > now]
        attributes: dict[str, Any] = {
            "friendly_name": entity_id.partition(".")[2].replace("_", " ").capitalize(),
            **getattr(self._core.entities.get(entity_id), "attributes", {}),
        }
        state = "off"
        if left:
            shown = left[0]
            state = "on" if self._moment(shown.start) <= now else "off"
            local = [self._moment(each).astimezone(self._time_zone) for each in (shown.start, shown.end)]
            attributes |= {
                "message": shown.summary,
                "all_day": not isinstance(shown.start, datetime),
                "start_time": f"{local[0]:%Y-%m-%d %H:%M:%S}",
                "end_time": f"{local[1]:%Y-%m-%d %H:%M:%S}",
                "location": shown.location,
                "description": shown.description,
            }
            change = self._moment(shown.end if state == "on" else shown.start)
            self._timers[entity_id] = self._core.clock.call_later(
                (change - now).total_seconds(), lambda: self._update(entity_id)
            )
        self._core.set(entity_id, state, attributes)


class TodoLists:
    """The to-do lists of the home. The state of a list is the number of its open items.

    Args:
        core: The states and events of the home.
    """

    def __init__(self, core: HomeCore) -> None:
        self._core = core
        self._items: dict[str, list[Json]] = {}

    def items(self, entity_id: str) -> list[Json]:
        """Return the items: ``summary``, ``uid``, ``status`` and optional fields."""
        return self._items.setdefault(entity_id, [])

    def find(self, entity_id: str, item: str) -> Json | None:
        """Return the item with a uid or a summary; None if there is no such item."""
        return next((each for each in self.items(entity_id) if item in (each["uid"], each["summary"])), None)

    def add(self, entity_id: str, summary: str, **fields: Any) -> None:
        """Add an open item."""
        self.items(entity_id).append(
            {"summary": summary, "uid": self._core.new_id(), "status": "needs_action", **fields}
        )
        self.update(entity_id)

    def remove(self, entity_id: str, items: list[Json]) -> None:
        """Remove items."""
        self._items[entity_id] = [each for each in self.items(entity_id) if each not in items]
        self.update(entity_id)

    def update(self, entity_id: str) -> None:
        """Write the state of a list."""
        left = sum(each["status"] == "needs_action" for each in self.items(entity_id))
        entity = self._core.entities.get(entity_id)
        attributes = entity.attributes if entity is not None else {"friendly_name": entity_id, "supported_features": 15}
        self._core.set(entity_id, left, attributes)
