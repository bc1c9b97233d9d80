"""Triggers that do not follow from states: events, times, messages, web hooks, sentences, calendars."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from hassette_core.clock import Timer
from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, Json
from hassette_core.simulation.home.model.message_topics import MqttMessage
from hassette_core.simulation.home.triggers.attachment import Attachment, Detach, nothing


def attach_event(attachment: Attachment) -> Detach:
    """Attach an event trigger: ``event_type``, ``event_data``, ``context``."""
    attachment.check(required=("event_type",), optional=("event_data", "context"))
    wanted: Json = attachment.config.get("event_data") or {}
    contexts: Json = attachment.config.get("context") or {}

    def on_event(event: Json) -> None:
        matches = all(key in event["data"] and event["data"][key] == value for key, value in wanted.items())
        if matches and all(event["context"].get(key) in _list(value) for key, value in contexts.items()):
            variables = {"event": event, "description": f"event '{event['event_type']}'"}
            attachment.emit(variables, HomeContext(**event["context"]))

    listeners = [attachment.core.listen(each, on_event) for each in attachment.texts("event_type")]

    def detach() -> None:
        for stop in listeners:
            stop()

    return detach


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


NextMoment = Callable[[datetime], tuple[datetime, Json] | None]
"""Returns the next moment after a time, with the variables of the trigger; None if there is none."""


class _Repeating:
    """Fires at each moment that a function returns, until stopped."""

    def __init__(self, attachment: Attachment, next_moment: NextMoment) -> None:
        self._attachment = attachment
        self._next_moment = next_moment
        self._timer: Timer | None = None
        self._due: datetime | None = None
        self._plan()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def plan_again(self) -> None:
        """Find the next moment again, unless it is now."""
        if self._due is None or self._due > self._attachment.core.clock.now():
            self.stop()
            self._plan()

    def _plan(self) -> None:
        now = self._attachment.core.clock.now()
        found = self._next_moment(now)
        if found is None:
            return
        due, variables = found
        self._due = due
        self._timer = self._attachment.core.clock.call_later(
            (due - now).total_seconds(), lambda: self._fire(due, variables)
        )

    def _fire(self, due: datetime, variables: Json) -> None:
        zone = ZoneInfo(self._attachment.model.time_zone)
        shown = (
            {"now": due.astimezone(zone).isoformat()} if "description" in variables and "event" not in variables else {}
        )
        self._attachment.emit({**shown, **variables}, None)
        self._plan()


class _Pattern:
    def __init__(self, attachment: Attachment) -> None:
        self._zone = ZoneInfo(attachment.model.time_zone)
        config = attachment.config
        names = ("hours", "minutes", "seconds")
        given = [config.get(name) for name in names]
        if all(each is None for each in given):
            raise RefusedError("invalid_format", "must contain at least one of hours, minutes, seconds.")
        first = next(index for index, each in enumerate(given) if each is not None)
        # As in Home Assistant, a larger unit that is not given matches always, and a smaller one matches 0.
        filled = [each if each is not None else "*" if index < first else "0" for index, each in enumerate(given)]
        self._matches = [_parse_pattern(str(each), name) for each, name in zip(filled, names, strict=True)]

    def __call__(self, after: datetime) -> tuple[datetime, Json] | None:
        hours, minutes, seconds = self._matches
        moment = after.replace(microsecond=0) + timedelta(seconds=1)
        for _ in range(86_400 * 2):
            local = moment.astimezone(self._zone)
            if local.hour not in hours:
                moment += timedelta(minutes=60 - local.minute) - timedelta(seconds=local.second)
            elif local.minute not in minutes:
                moment += timedelta(seconds=60 - local.second)
            elif local.second not in seconds:
                moment += timedelta(seconds=1)
            else:
                return moment, {"description": "time pattern"}
        return None


def _parse_pattern(text: str, name: str) -> set[int]:
    high = 24 if name == "hours" else 60
    if text == "*":
        return set(range(high))
    if (match := re.fullmatch(r"/(\d+)", text)) and 0 < int(match[1]) < high:
        return set(range(0, high, int(match[1])))
    if text.isdigit() and int(text) < high:
        return {int(text)}
    raise RefusedError("invalid_format", f"{name} must be a number below {high}, /number or *, got {text!r}")


def attach_time_pattern(attachment: Attachment) -> Detach:
    """Attach a time_pattern trigger: ``hours``, ``minutes``, ``seconds``, each a number, ``/5`` or ``*``."""
    attachment.check(optional=("hours", "minutes", "seconds"))
    return _Repeating(attachment, _Pattern(attachment)).stop


class _Daily:
    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._zone = ZoneInfo(attachment.model.time_zone)
        for each in attachment.texts("at"):
            if not each.startswith(("input_datetime.", "sensor.")):
                self._parse(each)

    def _parse(self, text: str) -> time:
        try:
            return time.fromisoformat(text)
        except ValueError:
            raise RefusedError("invalid_format", f"at must be a time such as 07:00:00, got {text!r}") from None

    def __call__(self, after: datetime) -> tuple[datetime, Json] | None:
        moments: list[datetime] = []
        for text in self._attachment.texts("at"):
            shown = text
            if text.startswith(("input_datetime.", "sensor.")):
                state = self._attachment.core.states.get(text)
                shown = "" if state is None else state["state"]
            try:
                moments.append(self._next(shown, after))
            except ValueError:
                continue  # the entity has no time now
        found = min((each for each in moments if each > after), default=None)
        return None if found is None else (found, {"description": "time"})

    def _next(self, text: str, after: datetime) -> datetime:
        if len(text) > len("00:00:00"):
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)
        local = after.astimezone(self._zone)
        moment = datetime.combine(local.date(), time.fromisoformat(text), self._zone)
        return (
            moment
            if moment > after
            else datetime.combine(local.date() + timedelta(days=1), time.fromisoformat(text), self._zone)
        )


def attach_time(attachment: Attachment) -> Detach:
    """Attach a time trigger: ``at`` is a time, or an entity that contains a time when the trigger is attached."""
    attachment.check(required=("at",), optional=("weekday",))
    return _Repeating(attachment, _Daily(attachment)).stop


class _CalendarMoments:
    def __init__(self, attachment: Attachment, entity_id: str, kind: str, offset: timedelta) -> None:
        self._attachment = attachment
        self._of = (entity_id, kind, offset)

    def __call__(self, after: datetime) -> tuple[datetime, Json] | None:
        entity_id, kind, offset = self._of
        found = self._attachment.model.calendars.next_boundary(entity_id, kind, offset)
        if found is None:
            return None
        moment, entry = found
        shown = {**entry.as_json(), "all_day": not isinstance(entry.start, datetime)}
        return moment, {"event": kind, "calendar_event": shown, "offset": str(offset), "description": "calendar"}


def attach_calendar(attachment: Attachment) -> Detach:
    """Attach a calendar trigger: the start or the end of events, with an offset. An unknown calendar is accepted."""
    attachment.check(required=("entity_id", "event"), optional=("offset",))
    entity_id, kind = attachment.entity_ids()[0], str(attachment.config["event"])
    if kind not in ("start", "end"):
        raise RefusedError("invalid_format", f"event must be start or end, got {kind!r}")
    offset = timedelta(seconds=attachment.seconds("offset"))
    repeating = _Repeating(attachment, _CalendarMoments(attachment, entity_id, kind, offset))

    def plan_again(changed: str, _old: Json | None, _new: Json | None, _context: HomeContext) -> None:
        if changed == entity_id:  # an event may have been added
            repeating.plan_again()

    stop_listening = attachment.core.listen_to_changes(plan_again)

    def detach() -> None:
        stop_listening()
        repeating.stop()

    return detach


def attach_mqtt(attachment: Attachment) -> Detach:
    """Attach an mqtt trigger: ``topic``, ``payload``, ``qos``, ``encoding``.

    Raises:
        RefusedError: The integration is not loaded, and the version of the home reports this.
    """
    if "mqtt" not in attachment.model.integrations:
        if attachment.core.since("2025.12"):
            raise RefusedError("invalid_format", "Integration 'mqtt' does not provide trigger support")
        return nothing  # as in Home Assistant, which only logs a message
    attachment.check(required=("topic",), optional=("payload", "qos", "encoding", "value_template"))
    wanted = attachment.config.get("payload")

    def on_message(message: MqttMessage) -> None:
        if wanted is not None and message.payload != str(wanted):
            return
        variables: Json = {
            "topic": message.topic,
            "payload": message.payload,
            "qos": message.qos,
            "description": f"mqtt topic {message.topic}",
        }
        with suppress(ValueError):  # as in Home Assistant, a payload that is not JSON has no payload_json
            variables["payload_json"] = json.loads(message.payload)
        attachment.emit(variables, None)

    return attachment.model.topics.subscribe(str(attachment.config["topic"]), on_message)


def attach_webhook(attachment: Attachment) -> Detach:
    """Attach a webhook trigger: ``webhook_id``."""
    attachment.check(required=("webhook_id",), optional=("allowed_methods", "local_only"))
    webhook_id, hooks = str(attachment.config["webhook_id"]), attachment.model.webhooks
    if webhook_id in hooks:
        raise RefusedError("unknown_error", "Handler is already defined!")
    if "webhook" not in attachment.model.integrations:
        return nothing  # as in Home Assistant, the command succeeds, and requests get 404

    def on_request(request: Json) -> None:
        attachment.emit({"webhook_id": webhook_id, **request, "description": "webhook"}, None)

    hooks[webhook_id] = on_request
    return lambda: hooks.pop(webhook_id, None) and None


def attach_conversation(attachment: Attachment) -> Detach:
    """Attach a conversation trigger: ``command`` is a sentence, or a list; ``{name}`` is a slot."""
    attachment.check(required=("command",))
    patterns = [_sentence(each) for each in attachment.texts("command")]

    def on_sentence(event: Json) -> None:
        text = str(event["data"].get("text"))
        for pattern in patterns:
            if (match := pattern.fullmatch(text.strip().rstrip("?.!"))) is not None:
                slots = match.groupdict()
                variables = {
                    "sentence": text,
                    "details": {name: {"name": name, "text": each, "value": each} for name, each in slots.items()},
                    "slots": slots,
                    "device_id": None,
                }
                attachment.emit(variables, None)
                return

    return attachment.core.listen("simulated_sentence", on_sentence)


def _sentence(text: str) -> re.Pattern[str]:
    pattern = re.escape(text).replace(r"\{", "{").replace(r"\}", "}").replace(r"\[", "[").replace(r"\]", "]")
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", pattern)
    pattern = re.sub(r"\[(.*?)\](\\ )?", r"(?:\1\2)?", pattern)
    return re.compile(pattern, re.IGNORECASE)


def attach_homeassistant(attachment: Attachment) -> Detach:
    """Attach a homeassistant trigger: ``start`` or ``shutdown``."""
    attachment.check(required=("event",))
    event_type = {"start": "homeassistant_started", "shutdown": "homeassistant_stop"}.get(
        str(attachment.config["event"])
    )
    if event_type is None:
        raise RefusedError("invalid_format", f"event must be start or shutdown, got {attachment.config['event']!r}")

    def on_event(event: Json) -> None:
        variables = {"event": attachment.config["event"], "description": "Home Assistant"}
        attachment.emit(variables, HomeContext(**event["context"]))

    return attachment.core.listen(event_type, on_event)


def attach_tag(attachment: Attachment) -> Detach:
    """Attach a tag trigger: ``tag_id`` and ``device_id`` of the event ``tag_scanned``."""
    attachment.check(required=("tag_id",), optional=("device_id",))
    tags, devices = attachment.texts("tag_id"), attachment.texts("device_id")

    def on_event(event: Json) -> None:
        data = event["data"]
        if data.get("tag_id") in tags and (not devices or data.get("device_id") in devices):
            attachment.emit({"event": event, "description": "Tag scanned"}, HomeContext(**event["context"]))

    return attachment.core.listen("tag_scanned", on_event)
