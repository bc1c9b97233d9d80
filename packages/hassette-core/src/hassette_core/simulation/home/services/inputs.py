"""Services of the values that a user sets: ``input_*``, counters, and the entities of integrations of the same kind."""

import re
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.services.fields import (
    BOOLEAN,
    DATE,
    DATETIME,
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    integer,
)
from hassette_core.simulation.home.services.refusals import failure, validation_error
from hassette_core.simulation.home.services.registry import EntityCall, ServiceAction, SimulatedService


def _set_number(call: EntityCall) -> None:
    low, high = call.entity.number("min", 0), call.entity.number("max", 100)
    value = float(call.data["value"])
    if not low <= value <= high:
        message = f"Invalid value for {call.entity_id}: {value} (range {float(low)} - {float(high)})"
        raise RefusedError("invalid_format", message)
    call.change(value)


def _step_number(sign: int) -> ServiceAction:
    def act(call: EntityCall) -> None:
        low, high = call.entity.number("min", 0), call.entity.number("max", 100)
        value = _float(call.entity.state, low) + sign * call.entity.number("step", 1)
        call.change(float(max(low, min(high, value))))

    return act


def _set_native_number(call: EntityCall) -> None:
    low, high = call.entity.number("min", 0), call.entity.number("max", 100)
    value = float(call.data["value"])
    if not low <= value <= high:
        raise validation_error(
            f"Value {value} for {call.entity_id} is outside valid range {float(low)} - {float(high)}"
        )
    call.change(value)


def _float(text: str, default: float) -> float:
    try:
        return float(text)
    except ValueError:
        return default


INPUT_NUMBER = {
    "set_value": SimulatedService(_set_number, {"value": NUMBER.as_required}),
    "increment": SimulatedService(_step_number(1)),
    "decrement": SimulatedService(_step_number(-1)),
}
NUMBER_ENTITY = {
    "set_value": SimulatedService(_set_native_number, {"value": NUMBER.replace(selector="text").as_required})
}


def _select(call: EntityCall) -> None:
    options, option = call.listed("options") or [], call.data["option"]
    if options and option not in options:
        shown = ", ".join(options)
        if call.entity_id.startswith("select.") or call.core.since("2026"):
            raise validation_error(f"Option {option} is not valid for {call.entity_id}. Valid options are: {shown}")
        raise failure(f"Invalid option: {option} (possible options: {shown})")
    call.change(option)


def _select_by(step: int) -> ServiceAction:
    def act(call: EntityCall) -> None:
        options = call.listed("options") or []
        if not options:
            return
        now = options.index(call.entity.state) if call.entity.state in options else -1 if step > 0 else len(options)
        wanted = now + step
        if not call.data.get("cycle", True):
            wanted = max(0, min(len(options) - 1, wanted))
        call.change(options[wanted % len(options)])

    return act


def _select_at(index: int) -> ServiceAction:
    def act(call: EntityCall) -> None:
        if options := call.listed("options"):
            call.change(options[index])

    return act


def _set_options(call: EntityCall) -> None:
    options = call.data["options"]
    call.change(call.entity.state if call.entity.state in options else options[0], options=options)


SELECT = {
    "select_option": SimulatedService(_select, {"option": TEXT.as_required.as_state}),
    "select_next": SimulatedService(_select_by(1), {"cycle": BOOLEAN}),
    "select_previous": SimulatedService(_select_by(-1), {"cycle": BOOLEAN}),
    "select_first": SimulatedService(_select_at(0)),
    "select_last": SimulatedService(_select_at(-1)),
}
INPUT_SELECT = {**SELECT, "set_options": SimulatedService(_set_options, {"options": TEXTS.as_required})}


def _set_text(*, ignore: bool) -> ServiceAction:
    def act(call: EntityCall) -> None:
        value, pattern = call.data["value"], call.entity.attributes.get("pattern")
        low, high = call.entity.number("min", 0), call.entity.number("max", 255)
        problem = ""
        if len(value) < low:
            problem = f"is too short (minimum length {low:g})"
        elif len(value) > high:
            problem = f"is too long (maximum length {high:g})"
        elif isinstance(pattern, str) and not re.fullmatch(pattern, value):
            problem = f"doesn't match pattern {pattern}"
        if not problem:
            call.change(value)
        elif not ignore:  # an input_text only logs a warning
            message = f"Value {value} for {call.entity_id} {problem}"
            raise validation_error(message) if call.core.since("2026") else RefusedError("unknown_error", message)

    return act


INPUT_TEXT = {"set_value": SimulatedService(_set_text(ignore=True), {"value": TEXT.as_required})}
TEXT_ENTITY = {"set_value": SimulatedService(_set_text(ignore=False), {"value": TEXT.as_required})}


def datetime_attributes(moment: datetime, *, has_date: bool, has_time: bool) -> dict[str, Any]:
    """Return the attributes of an ``input_datetime`` for a moment in the home's time zone."""
    attributes: dict[str, Any] = {"has_date": has_date, "has_time": has_time}
    if has_date:
        attributes |= {"year": moment.year, "month": moment.month, "day": moment.day}
    if has_time:
        attributes |= {"hour": moment.hour, "minute": moment.minute, "second": moment.second}
    if not has_date:
        attributes["timestamp"] = moment.hour * 3_600 + moment.minute * 60 + moment.second
    elif has_time:
        attributes["timestamp"] = moment.timestamp()
    else:
        attributes["timestamp"] = datetime.combine(moment.date(), time(), moment.tzinfo).timestamp()
    return attributes


def _set_datetime(call: EntityCall) -> None:
    zone, data = ZoneInfo(call.model.time_zone), call.data
    has_date, has_time = (bool(call.entity.attributes.get(name, True)) for name in ("has_date", "has_time"))
    if sum(name in data for name in ("datetime", "timestamp")) + any(n in data for n in ("date", "time")) > 1:
        raise RefusedError("invalid_format", "Cannot use together: date and time, datetime, timestamp")
    day, clock_time = data.get("date"), data.get("time")
    if "datetime" in data:
        day, clock_time = data["datetime"].date(), data["datetime"].time()
    elif "timestamp" in data:
        moment = datetime.fromtimestamp(data["timestamp"], UTC).astimezone(zone)
        day, clock_time = moment.date(), moment.time().replace(microsecond=0)
    if not ((day is not None and has_date) or (clock_time is not None and has_time)):
        raise RefusedError("invalid_format", "Nothing to set")
    now = _moment_of(call.entity.state, zone)
    moment = datetime.combine(day or now.date(), clock_time or now.time(), zone)
    form = "%Y-%m-%d %H:%M:%S" if has_date and has_time else "%Y-%m-%d" if has_date else "%H:%M:%S"
    call.change(moment.strftime(form), **datetime_attributes(moment, has_date=has_date, has_time=has_time))


def _moment_of(state: str, zone: ZoneInfo) -> datetime:
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%H:%M:%S"):
        try:
            return datetime.strptime(state, form).replace(tzinfo=zone)
        except ValueError:
            continue
    return datetime(1970, 1, 1, tzinfo=zone)


INPUT_DATETIME = {
    "set_datetime": SimulatedService(
        _set_datetime,
        {
            "date": DATE.replace(selector="text"),
            "time": TIME,
            "datetime": DATETIME.replace(selector="text"),
            "timestamp": NUMBER,
        },
        one_of=("date", "time", "datetime", "timestamp"),
    )
}
DATE_ENTITY = {
    "set_value": SimulatedService(lambda call: call.change(call.data["date"].isoformat()), {"date": DATE.as_required})
}
TIME_ENTITY = {
    "set_value": SimulatedService(lambda call: call.change(call.data["time"].isoformat()), {"time": TIME.as_required})
}


def _set_moment(call: EntityCall) -> None:
    moment: datetime = call.data["datetime"]
    zone = ZoneInfo(call.model.time_zone)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    call.change(aware.astimezone(UTC).isoformat(timespec="seconds"))


DATETIME_ENTITY = {"set_value": SimulatedService(_set_moment, {"datetime": DATETIME.as_required})}


def _press(call: EntityCall) -> None:
    call.change(call.core.now())


BUTTON = {"press": SimulatedService(_press)}


def _count(sign: int) -> ServiceAction:
    def act(call: EntityCall) -> None:
        _set_count(call, round(_float(call.entity.state, 0)) + sign * round(call.entity.number("step", 1)))

    return act


def _set_count(call: EntityCall, value: int) -> None:
    low, high = call.entity.attributes.get("minimum"), call.entity.attributes.get("maximum")
    if isinstance(low, int):
        value = max(low, value)
    if isinstance(high, int):
        value = min(high, value)
    call.change(value)


def _set_counter(call: EntityCall) -> None:
    value = call.data["value"]
    if value < 0 and not call.core.since("2026"):
        raise RefusedError("invalid_format", "value must be at least 0 for dictionary value @ data['value']")
    for name, word, wrong in (("minimum", "minimum", value.__lt__), ("maximum", "maximum", value.__gt__)):
        limit = call.entity.attributes.get(name)
        if isinstance(limit, int) and wrong(limit):
            raise RefusedError(
                "unknown_error", f"Value {value} for {call.entity_id} exceeds the {word} value of {limit}"
            )
    call.change(value)


COUNTER = {
    "increment": SimulatedService(_count(1)),
    "decrement": SimulatedService(_count(-1)),
    "reset": SimulatedService(lambda call: _set_count(call, round(call.entity.number("initial", 0)))),
    "set_value": SimulatedService(_set_counter, {"value": integer(-(2**53), 2**53).as_required}),
}
