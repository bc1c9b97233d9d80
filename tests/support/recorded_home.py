"""Records of a small home, written by the store: events, runs, and triggers that led to no run."""

import itertools
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hassette_store import DatabaseService
from hassette_store.ids import first_id_at
from support.rows import (
    Batch,
    Deploy,
    Due,
    Effects,
    Event,
    FrameworkLogLine,
    HomeCause,
    HomeChange,
    HomeName,
    Job,
    LifecycleEvent,
    Listener,
    LogLine,
    Loss,
    NotRun,
    Run,
)
from support.rows import ServiceCall as Call
from support.stores import Clock
from support.zones import zone_at_noon

if TYPE_CHECKING:
    from hassette_sync.answers.explanations import Why

SECOND = 1_000_000
MINUTE = 60 * SECOND
_ULID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
OWN_USER = "robot"
"""User of the token of Hassette."""


def call(service: str, target: str, context: str | None, **more: Any) -> Call:
    """Return a service call: ``call("light.turn_on", "light.hall", "context 1")``."""
    domain, _, name = service.partition(".")
    return Call(
        domain=domain, service=name, target=f'{{"entity_id":"{target}"}}' if target else "", context_id=context, **more
    )


def change(entity: str, old: str | None, new: str | None, context: str | None, **more: Any) -> Event:
    """Return a state change, the trigger of a run."""
    return Event(entity_id=entity, old_state=old, new_state=new, context_id=context, **more)


def titles(why: "Why") -> list[tuple[str, str]]:
    """Return the kind and the title of each cause of the best finding, the nearest first."""
    return [(cause.kind, cause.title) for cause in why.found[0].causes]


class RecordedHome:
    """Records of a home that begin 30 minutes ago, at a whole minute. Times are seconds after that.

    In the time zone of the home, it is noon.

    Args:
        store: The store that writes them.
        clock: Clock of the store. It shows the time of the registrations until the first write, and then the present.
    """

    def __init__(self, store: DatabaseService, clock: Clock) -> None:
        self._clock = clock
        self.start_us = (int(time.time()) // 60 - 30) * MINUTE
        self._store = store
        self._sequence = itertools.count(1)
        self._counter = itertools.count(1)
        self._rows: dict[str, list[Any]] = {}
        self._registered: list[Any] = []
        self._facts = {"user": OWN_USER, "time_zone": zone_at_noon()}

    def us(self, at_s: float) -> int:
        """Return a time in microseconds since the Unix epoch."""
        return self.start_us + int(at_s * SECOND)

    def id_at(self, at_s: float) -> int:
        """Return a new id whose time is a whole millisecond."""
        return first_id_at(self.us(at_s)) + next(self._counter)

    def add(self, field: str, *rows: Any) -> None:
        """Add rows to a field of the next batch."""
        self._rows.setdefault(field, []).extend(rows)

    def register(self, *registrations: Any) -> None:
        """Register handlers and jobs before their first run."""
        self._registered += registrations
        self.add("registered", *registrations)

    def run(
        self,
        at_s: float,
        registration: Listener | Job,
        trigger: Event | Due,
        *,
        calls: Sequence[Call] = (),
        logs: Sequence[LogLine] = (),
        duration_s: float = 0.01,
        **more: Any,
    ) -> int:
        """Add a run that starts at a time. Its calls and log lines get that time, too. Return its id."""
        if registration not in self._registered:
            self.register(registration)
        run_id = self.id_at(at_s + duration_s)
        effects = Effects(
            tuple(line._replace(at_us=self.us(at_s)) for line in logs),
            tuple(one._replace(at_us=self.us(at_s)) for one in calls),
        )
        row = Run(
            id=run_id,
            registration=registration,
            trigger=trigger,
            started_us=self.us(at_s),
            duration_us=int(duration_s * SECOND),
            waited_us=more.pop("waited_us", 250),
            status=more.pop("status", "success"),
            effects=effects if calls or logs else None,
            **more,
        )
        self.add("invocations" if isinstance(registration, Listener) else "executions", row)
        return run_id

    def not_run(
        self, at_s: float, registration: Listener | Job, reason: str, detail: str, trigger: Event | Due | None
    ) -> None:
        """Add a trigger that led to no run."""
        if registration not in self._registered:
            self.register(registration)
        self.add("not_runs", NotRun(registration, self.us(at_s), reason, detail, trigger))

    def event(self, at_s: float, kind: str, subject: str, detail: str = "") -> None:
        """Add an event of the framework."""
        self.add("lifecycle", LifecycleEvent(self.id_at(at_s), self.us(at_s), kind, subject, detail))

    def connect(self, at_s: float) -> None:
        """Add the first connection to Home Assistant."""
        self._facts["connected"] = datetime.fromtimestamp(self.us(at_s) / SECOND, UTC).isoformat()

    def context(self, at_s: float) -> str:
        """Return the id of a context that begins at a time: a ULID, as in Home Assistant."""
        value = self.us(at_s) // 1_000 << 80 | next(self._counter)
        return "".join(_ULID_DIGITS[value >> shift & 31] for shift in range(125, -1, -5))

    def lose(self, at_s: float, what: str, count: int = 1) -> None:
        """Add a loss."""
        self.add("losses", Loss("queue_full_count", what, count, self.us(at_s), self.us(at_s)))

    def changed(
        self,
        at_s: float,
        entity: str,
        old: str | None,
        new: str | None,
        context: str,
        *,
        parent: str | None = None,
        user: str | None = None,
    ) -> None:
        """Add a change of the home."""
        self.add("home_changes", HomeChange(self.id_at(at_s), entity, old, new, context, parent, user))

    def automation(
        self, at_s: float, entity: str, detail: str, context: str, *, parent: str | None = None, **more: Any
    ) -> None:
        """Add an automation or a script (by its entity id) of Home Assistant that ran."""
        kind = entity.partition(".")[0]
        row = HomeCause(self.id_at(at_s), kind, entity, None, "", detail, context, parent, item_id=None, trace_id=None)
        self.add("home_causes", row._replace(**more))

    def called(
        self,
        at_s: float,
        service: str,
        target: str,
        context: str,
        *,
        parent: str | None = None,
        user: str | None = None,
        detail: str = "",
        where: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Add a service call that no run made, for an entity or for a target such as ``{"area_id": ["hall"]}``."""
        where = where or ({"entity_id": [target]} if target else {})
        text = json.dumps(where, separators=(",", ":")) if where else ""
        row = HomeCause(
            self.id_at(at_s), "service_call", None, service, text, detail, context, parent, user, None, None
        )
        self.add("home_causes", row)

    def sent(
        self, at_s: float, event_type: str, context: str, *, user: str | None = None, timer: str | None = None
    ) -> None:
        """Add an event that triggered an automation, for example one of a timer."""
        target = json.dumps({"entity_id": [timer]}) if timer else ""
        row = HomeCause(self.id_at(at_s), "event", None, event_type, target, "", context, None, user, None, None)
        self.add("home_causes", row)

    def deploy(self, at_s: float, app: str, version: str, commit: str | None = None, **more: Any) -> None:
        """Add a version of an app."""
        code, settings = more.get("code_hash", version), more.get("settings_hash", "same")
        self.add("deploys", Deploy(self.id_at(at_s), app, version, code, settings, commit))

    def log(self, at_s: float, level: int, message: str, app: str | None = None) -> None:
        """Add a line that was logged outside runs."""
        self.add("framework_log", FrameworkLogLine(self.id_at(at_s), level, "hassette_core.link", message, app))

    def named(self, key: str, name: str, area: str | None = None, kind: str = "entity") -> None:
        """Add the name of an entity or user."""
        self.add("home_names", HomeName(kind, key, name, area))

    async def write(self) -> None:
        """Write everything that was added, in the order of the ids."""
        rows = {
            field: tuple(sorted(rows, key=lambda row: row.id) if hasattr(rows[0], "id") else rows)
            for field, rows in self._rows.items()
        }
        self._rows = {}
        registered = rows.pop("registered", ())
        await self._store.write(Batch(next(self._sequence), self.start_us, registered=registered))
        self._clock.advance((int(time.time() * SECOND) - self._clock.us) / SECOND)
        facts = tuple(self._facts.items())
        batch = Batch(sequence=next(self._sequence), at_us=int(time.time() * SECOND), session_facts=facts, **rows)
        await self._store.write(batch)


@asynccontextmanager
async def recorded_home(path: Path, *, began_s: float = 60 * 60) -> AsyncGenerator[RecordedHome]:
    """Start a store whose session began an hour ago, and stop it at the end."""
    clock = Clock()
    clock.us = int((time.time() - began_s) * SECOND)
    store = DatabaseService(path, now_us=clock.now_us, monotonic=clock.monotonic)
    await store.start()
    try:
        yield RecordedHome(store, clock)
    finally:
        await store.stop()
