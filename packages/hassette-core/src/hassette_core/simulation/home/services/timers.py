"""Services of timers. A timer ends on the home's clock. As in Home Assistant, its events do not name their cause."""

from datetime import datetime, timedelta

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, HomeCore
from hassette_core.simulation.home.services.fields import DURATION
from hassette_core.simulation.home.services.refusals import failure, validation_error
from hassette_core.simulation.home.services.registry import EntityCall, SimulatedService


def _start(call: EntityCall) -> None:
    before = call.entity
    given = call.data.get("duration")
    event = "restarted" if before.state in ("active", "paused") else "started"
    duration = given or _parse(before.attributes.get("duration"))
    left = given or (_parse(before.attributes.get("remaining")) if before.state == "paused" else duration)
    if before.state == "active" and given is None:
        left = duration
    _run(call, left, duration, event)


def _run(call: EntityCall, left: timedelta, duration: timedelta, event: str) -> None:
    core, entity_id = call.core, call.entity_id
    ends = (core.clock.now() + left).replace(microsecond=0)
    attributes = {
        **_configured(call),
        "duration": _text(duration),
        "finishes_at": ends.isoformat(),
        "remaining": _text(left),
        **_transition(core, event if event != "changed" else call.entity.attributes.get("last_transition")),
    }
    core.set(entity_id, "active", attributes, call.context)
    core.fire(f"timer.{event}", {"entity_id": entity_id})
    core.clock.call_later(left.total_seconds(), lambda: _end_if_due(core, entity_id, ends))


def _end_if_due(core: HomeCore, entity_id: str, ends: datetime) -> None:
    """Finish a timer, unless it has been changed since."""
    entity = core.entities.get(entity_id)
    if entity is not None and entity.state == "active" and entity.attributes.get("finishes_at") == ends.isoformat():
        _finish(core, entity_id, core.context(), ends)


def _finish(core: HomeCore, entity_id: str, context: HomeContext, ends: datetime) -> None:
    _stop(core, entity_id, context, "finished")
    core.fire("timer.finished", {"entity_id": entity_id, "finished_at": ends.isoformat()})


def _stop(core: HomeCore, entity_id: str, context: HomeContext, transition: str) -> None:
    entity = core.entities[entity_id]
    kept = {key: value for key, value in entity.attributes.items() if key not in ("finishes_at", "remaining")}
    configured = {"duration": kept["configured_duration"]} if "configured_duration" in kept else {}
    core.set(entity_id, "idle", {**kept, **configured, **_transition(core, transition)}, context)


def _pause(call: EntityCall) -> None:
    if call.entity.state != "active":
        return
    left = datetime.fromisoformat(call.entity.attributes["finishes_at"]) - call.core.clock.now()
    kept = {key: value for key, value in call.entity.attributes.items() if key != "finishes_at"}
    rounded = timedelta(seconds=max(0, round(left.total_seconds())))
    attributes = {**kept, "remaining": _text(rounded), **_transition(call.core, "paused")}
    call.core.set(call.entity_id, "paused", attributes, call.context)
    call.core.fire("timer.paused", {"entity_id": call.entity_id})


def _cancel(call: EntityCall) -> None:
    if call.entity.state == "idle":
        return
    _stop(call.core, call.entity_id, call.context, "cancelled")
    call.core.fire("timer.cancelled", {"entity_id": call.entity_id})


def _finish_now(call: EntityCall) -> None:
    if call.entity.state == "active":
        ends = datetime.fromisoformat(call.entity.attributes["finishes_at"])
        _finish(call.core, call.entity_id, call.context, ends)


def _change(call: EntityCall) -> None:
    older = not call.core.since("2026")
    name = call.entity_id
    if call.entity.state != "active":
        problem = f"Timer {name} is not running"
        raise (
            failure(f"{problem}, only active timers can be changed")
            if older
            else validation_error(f"{problem}. Only active timers can be changed")
        )
    duration = _parse(call.entity.attributes.get("duration"))
    ends = datetime.fromisoformat(call.entity.attributes["finishes_at"])
    left = ends - call.core.clock.now().replace(microsecond=0) + call.data["duration"]
    if left > duration:
        raise (
            failure(f"Not possible to change timer {name} beyond duration")
            if older
            else validation_error(f"Cannot change timer {name} beyond its duration")
        )
    if left <= timedelta(0):
        raise _too_short(name, older=older)
    _run(call, left, duration, "changed")


def _too_short(name: str, *, older: bool) -> RefusedError:
    if older:
        return failure(f"Not possible to change timer {name} to negative time remaining")
    return validation_error(f"Cannot change timer {name} to negative time remaining")


def _configured(call: EntityCall) -> dict[str, object]:
    """Keep the configured duration of a timer, to which it returns after it ran with another one."""
    attributes = call.entity.attributes
    if "configured_duration" in attributes or "duration" not in attributes:
        return dict(attributes)
    return {**attributes, "configured_duration": attributes["duration"]}


def _transition(core: HomeCore, name: object) -> dict[str, object]:
    return {"last_transition": name} if core.since("2026") else {}


def _parse(value: object) -> timedelta:
    try:
        return DURATION.parse(value)
    except (TypeError, ValueError, OverflowError):
        return timedelta(0)


def _text(duration: timedelta) -> str:
    return str(duration).partition(".")[0]


TIMER = {
    "start": SimulatedService(_start, {"duration": DURATION.replace(selector="text", newer_selector="duration")}),
    "pause": SimulatedService(_pause),
    "cancel": SimulatedService(_cancel),
    "finish": SimulatedService(_finish_now),
    "change": SimulatedService(
        _change, {"duration": DURATION.replace(selector="text", newer_selector="duration").as_required}
    ),
}
