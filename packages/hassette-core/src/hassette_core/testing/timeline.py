"""`HomeTimeline`: the events in the home under test, as a text for a person."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, cast, overload

from hassette_core.testing.observations import qualified
from hassette_core.testing.recorder import (
    OrderKey,
    Recorder,
    RunKey,
    SeenEvent,
    SeenLine,
    compact,
    describe_trigger,
    local,
    parse_fields,
    rehearsed_calls,
)
from hassette_executor import DueTrigger, EventTrigger, NotRun, Record, Registration, ServiceCall

LAST = 1 << 40
MAX_DEPTH = 20
SHOWN = 200
"""Maximum number of entries in the text. For older entries, the text only shows their number."""
QUIET_KINDS = ("service_", "app_started", "app_stopped")
"""Lifecycle events of these kinds are left out. Each start would add a dozen of them, and the test itself adds apps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One event in the home, of any kind.

    Attributes:
        time: The time, in the home's time zone.
        kind: ``change``, ``event``, ``call``, ``run``, ``not run``, ``log`` or ``framework``.
        text: The description.
        depth: Number of its causes at the same moment. A call may have two: a change led to the run that made it.
    """

    time: datetime
    kind: str
    text: str
    depth: int = 0

    def __str__(self) -> str:
        return f"{self.time:%H:%M:%S.%f}"[:-3] + f"  {self.kind:9}  {'  ' * self.depth}{self.text}"


class HomeTimeline(Sequence[TimelineEntry]):
    """The entries, oldest first. An entry that another entry of the same moment caused follows this entry.

    ``str(timeline)`` is the text that a failed test prints.
    """

    def __init__(self, entries: Sequence[TimelineEntry]) -> None:
        self._entries = tuple(entries)

    @overload
    def __getitem__(self, index: int) -> TimelineEntry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TimelineEntry]: ...
    def __getitem__(self, index: int | slice) -> TimelineEntry | Sequence[TimelineEntry]:
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[TimelineEntry]:
        return iter(self._entries)

    def __str__(self) -> str:
        lines: list[str] = []
        shown, day = self._entries[-SHOWN:], None
        if hidden := len(self._entries) - len(shown):
            lines.append(f"… {hidden:,} earlier entries")
        for entry in shown:
            if (today := entry.time.date()) != day:
                day = today
                lines.append(f"{entry.time:%A %Y-%m-%d} ({entry.time.tzinfo})")
            lines.append(str(entry))
        return "\n".join(lines) or "Nothing has happened."


class _Item:
    """An entry before it has a place. `key` sorts it behind its cause, if both happened at the same moment."""

    def __init__(self, at_us: int, order: int, kind: str, text: str) -> None:
        self.at_us = at_us
        self.order = order
        self.kind = kind
        self.text = text
        self.cause: _Item | None = None

    @property
    def key(self) -> tuple[int, ...]:
        chain, item = [self.order], self.cause
        while item is not None and item.at_us == self.at_us and len(chain) < MAX_DEPTH:
            chain.append(item.order)
            item = item.cause
        return (self.at_us, *reversed(chain))


def make_timeline(recorder: Recorder, zone: tzinfo, redact: Callable[[str], str] = str) -> HomeTimeline:
    """Return the timeline of all recorded events.

    Args:
        recorder: The recorded events.
        zone: The home's time zone.
        redact: Masks secrets. For example, a service call may contain a password.
    """
    items = _Builder(recorder, zone).items()
    keys = {id(item): item.key for item in items}
    items.sort(key=lambda item: keys[id(item)])
    return HomeTimeline(
        [
            TimelineEntry(
                time=local(item.at_us, zone), kind=item.kind, text=redact(item.text), depth=len(keys[id(item)]) - 2
            )
            for item in items
        ]
    )


class _Builder:
    """Makes the entries, and finds the cause of each."""

    def __init__(self, recorder: Recorder, zone: tzinfo) -> None:
        self._recorder = recorder
        self._zone = zone
        self._runs: dict[RunKey, _Item] = {}
        self._caller: dict[str, _Item] = {}
        self._calls: dict[str, _Item] = {}
        self._triggers: dict[tuple[str | None, str | None], list[_Item]] = {}
        self._orders = {key: iter(orders) for key, orders in recorder.orders.items()}

    def _order(self, key: OrderKey) -> int:
        """Return the place of an item in the order. An item whose place is not kept comes last."""
        return next(self._orders.get(key, iter(())), LAST)

    def items(self) -> list[_Item]:
        """Return all entries."""
        runs = [self._run(record) for record in self._recorder.records]
        events = [self._event(seen) for seen in self._recorder.events]
        for item, record in zip(runs, self._recorder.records, strict=True):
            if isinstance(record.trigger, EventTrigger):
                item.cause = self._trigger(record.trigger, record.started_us)
        rehearsed = [
            self._rehearsed(LAST + number, run, call)
            for run, record in zip(runs, self._recorder.records, strict=True)
            for number, call in enumerate(rehearsed_calls(record))
        ]
        lines = [self._line(line) for line in self._recorder.lines]
        notes = [_Item(note.at_us, note.order, "framework", note.text) for note in self._recorder.notes]
        others = [*notes, *self._framework_events(), *self._not_runs()]
        return [*runs, *(event for event in events if event is not None), *rehearsed, *lines, *others]

    def _run(self, record: Record) -> _Item:
        registration, failure = record.registration, record.failure
        text = f"{_name_of(registration)}: {record.status.value}"
        if failure is not None:
            text += f", {failure.type}: {failure.message}"
        if record.duration_us:
            text += f", {record.duration_us / 1e6:g} s"
        if isinstance(record.trigger, DueTrigger):
            text += f" ({describe_trigger(record.trigger, self._zone)})"
        key = RunKey(registration.key, record.started_us, record.trigger)
        self._runs[key] = item = _Item(record.started_us, self._order(key), "run", text)
        for call in record.effects.service_calls if record.effects is not None else ():
            if call.context_id is not None:
                self._caller[call.context_id] = item
        return item

    def _rehearsed(self, order: int, run: _Item, call: ServiceCall) -> _Item:
        fields = parse_fields(call.target) | parse_fields(call.data)
        data = {"domain": call.domain, "service": call.service, "service_data": fields}
        item = _Item(call.at_us, order, "call", f"{call_text(data)} (not sent, the app rehearses)")
        item.cause = run
        return item

    def _event(self, seen: SeenEvent) -> _Item | None:
        event = seen.event
        kind, data, context_id = event["event_type"], event["data"], event["context"]["id"]
        if kind == "call_service":
            item = _Item(seen.at_us, seen.order, "call", call_text(data))
            item.cause = self._caller.get(context_id)
            self._calls[context_id] = item
        elif kind == "state_changed":
            item = _Item(seen.at_us, seen.order, "change", change_text(data))
        else:
            item = _Item(seen.at_us, seen.order, "event", f"{kind} {compact(data)}".rstrip())
        if kind != "call_service":
            item.cause = self._calls.get(context_id) or self._calls.get(event["context"]["parent_id"] or "")
            if item.cause is not None and item.cause.at_us != item.at_us:
                item.text += f" (after {item.cause.text})"
        entity_id = data.get("entity_id")
        self._triggers.setdefault((context_id, entity_id or kind), []).append(item)
        return item

    def _trigger(self, trigger: EventTrigger, started_us: int) -> _Item | None:
        items = self._triggers.get((trigger.context_id, trigger.entity_id or trigger.event_type), ())
        earlier = [item for item in items if item.at_us <= started_us]
        return earlier[-1] if earlier else None

    def _line(self, line: SeenLine) -> _Item:
        item = _Item(line.at_us, line.order, "log", f"{line.level} {line.text}")
        item.cause = None if line.run is None else self._runs.get(line.run)
        return item

    def _framework_events(self) -> list[_Item]:
        return [
            _Item(
                event.at_us,
                self._order((event.kind, event.subject, event.at_us)),
                "framework",
                ", ".join(text for text in (event.kind, event.subject, event.detail) if text),
            )
            for event in self._recorder.lifecycle
            if not event.kind.startswith(QUIET_KINDS)
        ]

    def _not_runs(self) -> Iterator[_Item]:
        for sample in self._recorder.samples:
            yield self._not_run(sample)
        for at_us, order, skip, sampled in self._recorder.skips:
            if (more := skip.count - sampled) > 0:
                text = f"{_name_of(skip.registration)}: {more} more × {skip.reason}"
                yield _Item(at_us, order, "not run", text)

    def _not_run(self, sample: NotRun) -> _Item:
        text = f"{_name_of(sample.registration)}: {sample.reason}"
        order = self._order((sample.registration.key, sample.at_us, sample.reason, sample.trigger))
        item = _Item(sample.at_us, order, "not run", f"{text}, {sample.detail}" if sample.detail else text)
        if isinstance(sample.trigger, EventTrigger):
            item.cause = self._trigger(sample.trigger, sample.at_us)
        return item


def _name_of(registration: Registration) -> str:
    return qualified(registration.app, registration.instance, registration.name)


def call_text(data: Mapping[str, Any]) -> str:
    """Return a service call as a text: the service, the entities and the fields."""
    fields = dict(cast("Mapping[str, Any]", data["service_data"]))
    ids: Any = fields.pop("entity_id", None) or ()
    entities = [ids] if isinstance(ids, str) else ids
    return " ".join(text for text in (f"{data['domain']}.{data['service']}", *entities, compact(fields)) if text)


def change_text(data: Mapping[str, Any]) -> str:
    """Return a change as a text: the old and the new state, and the attributes that differ."""
    old, new = data["old_state"], data["new_state"]
    if new is None:
        return f"{data['entity_id']}: removed"
    before: Mapping[str, Any] = {} if old is None else old["attributes"]
    differing = {key: value for key, value in new["attributes"].items() if before.get(key) != value}
    if old is None or old["state"] != new["state"]:
        states = new["state"] if old is None else f"{old['state']} → {new['state']}"
        return f"{data['entity_id']}: {states} {compact(differing)}".rstrip()
    return f"{data['entity_id']}: {new['state']}, now {compact(differing)}"
