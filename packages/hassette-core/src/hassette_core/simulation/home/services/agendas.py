"""Services of calendars, to-do lists and weather forecasts, which return a response."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.entities import FORECAST
from hassette_core.simulation.home.services.fields import (
    ANY,
    DATE,
    DATETIME,
    DURATION,
    TEXT,
    TEXTS,
    choice,
)
from hassette_core.simulation.home.services.refusals import validation_error
from hassette_core.simulation.home.services.registry import EntityCall, SimulatedService


def _aware(call: EntityCall, moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(call.model.time_zone))


def _get_events(call: EntityCall) -> Json:
    start = _aware(call, call.data.get("start_date_time", call.core.clock.now()))
    end = _aware(call, call.data["end_date_time"]) if "end_date_time" in call.data else start + call.data["duration"]
    if end <= start:
        raise RefusedError("invalid_format", "Expected minimum event duration of 0:00:01")
    return {"events": [entry.as_json() for entry in call.model.calendars.between(call.entity_id, start, end)]}


def _create_event(call: EntityCall) -> None:
    data = call.data
    start: datetime | date
    end: datetime | date
    if "start_date_time" in data and "end_date_time" in data:
        start, end = _aware(call, data["start_date_time"]), _aware(call, data["end_date_time"])
    elif "start_date" in data and "end_date" in data:
        start, end = data["start_date"], data["end_date"]
    elif "in" in data:
        start = call.core.clock.now().astimezone(ZoneInfo(call.model.time_zone)).date()
        start += timedelta(days=data["in"].get("days", 0) + 7 * data["in"].get("weeks", 0))
        end = start + timedelta(days=1)
    else:
        raise RefusedError("invalid_format", "must contain at least one of start_date, start_date_time, in.")
    try:
        call.model.calendars.add(
            call.entity_id,
            data["summary"],
            start,
            end,
            description=data.get("description", ""),
            location=data.get("location", ""),
        )
    except ValueError as problem:
        raise RefusedError("invalid_format", str(problem)) from None


CALENDAR = {
    "get_events": SimulatedService(
        _get_events,
        {"start_date_time": DATETIME, "end_date_time": DATETIME, "duration": DURATION},
        one_of=("end_date_time", "duration"),
        response="only",
    ),
    "create_event": SimulatedService(
        _create_event,
        {
            "summary": TEXT.as_required,
            "description": TEXT,
            "location": TEXT,
            "start_date_time": DATETIME,
            "end_date_time": DATETIME,
            "start_date": DATE,
            "end_date": DATE,
            "in": ANY.replace(selector=None),
        },
    ),
}


def _get_items(call: EntityCall) -> Json:
    wanted = call.data.get("status", ["needs_action", "completed"])
    return {"items": [dict(item) for item in call.model.todo_lists.items(call.entity_id) if item["status"] in wanted]}


def _add_item(call: EntityCall) -> None:
    call.model.todo_lists.add(call.entity_id, call.data["item"], **_details(call.data))


def _details(data: Json) -> Json:
    found: Json = {}
    if "due_date" in data:
        found["due"] = data["due_date"].isoformat()
    elif "due_datetime" in data:
        found["due"] = data["due_datetime"].isoformat()
    if "description" in data:
        found["description"] = data["description"]
    return found


def _find(call: EntityCall, item: str) -> Json:
    found = call.model.todo_lists.find(call.entity_id, item)
    if found is None:
        raise validation_error(f"Unable to find to-do list item: {item}")
    return found


def _update_item(call: EntityCall) -> None:
    item = _find(call, call.data["item"])
    changes: Json = {"summary": call.data.get("rename"), "status": call.data.get("status")}
    item.update({key: value for key, value in changes.items() if value is not None} | _details(call.data))
    call.model.todo_lists.update(call.entity_id)


def _remove_item(call: EntityCall) -> None:
    call.model.todo_lists.remove(call.entity_id, [_find(call, each) for each in call.data["item"]])


def _remove_completed(call: EntityCall) -> None:
    items = call.model.todo_lists.items(call.entity_id)
    call.model.todo_lists.remove(call.entity_id, [item for item in items if item["status"] == "completed"])


_STATUS = choice("needs_action", "completed")
_DETAILS = {"due_date": DATE, "due_datetime": DATETIME, "description": TEXT}
TODO = {
    "get_items": SimulatedService(_get_items, {"status": TEXTS.replace(selector="select")}, response="only"),
    "add_item": SimulatedService(_add_item, {"item": TEXT.as_required, **_DETAILS}),
    "update_item": SimulatedService(
        _update_item, {"item": TEXT.as_required, "rename": TEXT, "status": _STATUS, **_DETAILS}
    ),
    "remove_item": SimulatedService(_remove_item, {"item": TEXTS.as_required}),
    "remove_completed_items": SimulatedService(_remove_completed),
}


def _forecast(call: EntityCall) -> Json:
    step = {"hourly": timedelta(hours=1), "twice_daily": timedelta(hours=12)}.get(call.data["type"], timedelta(days=1))
    first = call.core.clock.now().replace(minute=0, second=0, microsecond=0)
    if call.data["type"] == "daily":
        first = first.replace(hour=12)
    rows: list[dict[str, Any]] = [
        {"datetime": (first + number * step).isoformat(), "condition": condition, "temperature": temperature}
        for number, (condition, temperature) in enumerate(FORECAST)
    ]
    return {"forecast": rows}


WEATHER = {
    "get_forecasts": SimulatedService(
        _forecast, {"type": choice("daily", "hourly", "twice_daily").as_required}, response="only"
    )
}
