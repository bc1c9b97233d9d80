"""Write a history row by row, as the store would, for tests that read a history without executor and framework."""

import json
import math
import sqlite3
import struct
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
STATUSES = {"success": 0, "error": 1, "cancelled": 2, "timed_out": 3, "interrupted": 4}

BOOM = ("exception", "ValueError", "boom")
"""A failure: kind, type and message."""


def facts(**more: str) -> str:
    """Return the facts of a session as JSON: versions and ``more``, such as ``time_zone``."""
    return json.dumps({"hassette": "0.1.0", "python": "3.12.4", "home_assistant": "2025.4.4", **more})


def migrations() -> dict[str, str]:
    """Return the SQL script of each schema revision, the oldest first."""
    scripts = sorted(files("hassette_store").joinpath("migrations/sql").iterdir(), key=lambda script: script.name)
    return {script.name.split("_")[0]: script.read_text() for script in scripts}


def schema() -> str:
    return "\n".join(migrations().values())


@dataclass
class History:
    """Writer of a history file. Close the writer, or use it in ``with``, before another connection reads the file.

    Numbers and names are those of the store, but this module does not import the code of the store: a test must not
    compare the store with itself. A writer for an existing file adds rows to the file.
    """

    path: Path

    def __post_init__(self) -> None:
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = OFF")
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
            self.db.executescript(schema())
            self.db.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            self.db.execute("INSERT INTO alembic_version VALUES (?)", (max(migrations()),))
        self._names: dict[str, int] = dict(self.db.execute("SELECT name, id FROM names"))
        self._registrations: int = self.db.execute("SELECT count(*) FROM registrations").fetchone()[0]
        (runs,) = self.db.execute("SELECT count(*) FROM runs").fetchone()
        (events,) = self.db.execute("SELECT count(*) FROM lifecycle_events").fetchone()
        self._counter: int = runs + events
        # Runs that the statistics do not count yet, and whether the statistics of other runs have been deleted.
        self._uncounted: list[tuple[int, int, int, str, int, int]] = []
        self._has_expired = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.count_runs()
        self.db.close()

    def begin(self) -> None:
        self.db.execute("BEGIN")

    def commit(self) -> None:
        self.db.execute("COMMIT")

    def _insert(self, table: str, **values: object) -> int:
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        return (
            self.db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values())).lastrowid or 0
        )

    def name(self, name: str | None) -> int | None:
        if name is None:
            return None
        if name not in self._names:
            self._names[name] = self._insert("names", name=name)
        return self._names[name]

    def session(self, started_us: int, ended_us: int | None = None, outcome: str = "open", **more: object) -> int:
        values: dict[str, object] = {
            "started_us": started_us,
            "heartbeat_us": ended_us or int(time.time() * SECOND),
            "ended_us": ended_us,
            "outcome": outcome,
            "pid": 4711,
            "host": "casa",
            "facts": facts(),
        }
        return self._insert("sessions", **{**values, **more})

    def listener(self, app: str, name: str, topic: str, instance: str = "default", **more: object) -> int:
        self._registrations += 1
        self._insert(
            "listeners", id=self._registrations, topic=topic, **{**self._registered(app, name, instance), **more}
        )
        return self._registrations

    def job(self, app: str, name: str, schedule: str, instance: str = "default", **more: object) -> int:
        self._registrations += 1
        row = self._registered(app, name, instance)
        self._insert("scheduled_jobs", id=self._registrations, schedule=schedule, **{**row, **more})
        return self._registrations

    def _registered(self, app: str, name: str, instance: str) -> dict[str, object]:
        at_us = int(time.time() * SECOND) - 2 * DAY
        return {
            "app": app,
            "instance": instance,
            "name": name,
            "handler": f"{app.title().replace('_', '')}.{name}",
            "settings": json.dumps({"debounce": "2 s", "mode": "single"}),
            "source_file": f"/config/apps/{app}.py",
            "source_line": 42,
            "source_snippet": f"async def {name}(self, event):\n    ...",
            "runs_in": "async",
            "timeout_s": None,
            "first_registered_us": at_us,
            "last_registered_us": at_us,
            "retired_us": None,
        }

    def run(
        self,
        registration_id: int,
        ended_us: int,
        *,
        session_id: int = 1,
        status: str = "success",
        duration_us: int = 900,
        waited_us: int = 250,
        job: bool = False,
        manual: bool = False,
        event_type: str = "state_changed",
        entity_id: str | None = None,
        old_state: str | None = None,
        new_state: str | None = None,
        context_id: str | None = None,
        parent_id: str | None = None,
        user_id: str | None = None,
        missed: bool = False,
        error: tuple[str, str, str] | None = None,
        calls: Sequence[Mapping[str, object]] = (),
        logs: Sequence[tuple[int, str]] = (),
        reads: Sequence[tuple[str, str | None]] = (),
        with_statistics: bool = True,
    ) -> int:
        self._counter += 1
        end_ms = ended_us // 1000
        run_id = (end_ms << 21) | (self._counter & 0x1FFFFF)
        common: dict[str, object] = {
            "id": run_id,
            "session_id": session_id,
            "status": STATUSES[status],
            "started_before": duration_us,
            "duration_us": duration_us,
            "waited_us": waited_us,
        }
        if job:
            self._insert("job_executions", job_id=registration_id, due_before=waited_us, manual=int(manual), **common)
        else:
            self._insert(
                "handler_invocations",
                listener_id=registration_id,
                event_type_id=self.name(event_type),
                entity_id=self.name(entity_id),
                old_state=old_state,
                new_state=new_state,
                context_id=context_id,
                parent_id=parent_id,
                user_id=self.name(user_id),
                missed=int(missed),
                **common,
            )
        if with_statistics:
            self._uncounted.append((run_id, registration_id, end_ms * 1000, status, duration_us, waited_us))
        self._has_expired = self._has_expired or not with_statistics
        if error:
            self._fail(run_id, end_ms * 1000, *error)
        for position, call in enumerate(calls):
            self._insert(
                "service_calls",
                run_id=run_id,
                position=position,
                at_us=ended_us - duration_us,
                service_id=self.name(str(call["service"])),
                target=call.get("target"),
                data=call.get("data"),
                duration_us=call.get("duration_us", 20_000),
                context_id=call.get("context_id"),
                error=call.get("error"),
                attempt=call.get("attempt", 1),
                confirmed_us=call.get("confirmed_us"),
                rehearsed=call.get("rehearsed", 0),
            )
        for position, (level, message) in enumerate(logs):
            self._insert(
                "log_lines",
                run_id=run_id,
                position=position,
                at_us=ended_us - duration_us + position * 100,
                level=level,
                logger_id=self.name("hassette.apps"),
                message=message,
            )
        for position, (read_entity, state) in enumerate(reads):
            self._insert(
                "state_reads",
                run_id=run_id,
                position=position,
                at_us=ended_us - duration_us + position,
                entity_id=self.name(read_entity),
                state=state,
            )
        return run_id

    def count_runs(self, *, all_of_them: bool = False) -> None:
        """Count the older half of the runs in the statistics, or all of them.

        Without a call, `close` counts the older half, so that a test reads counted and uncounted runs, as in a real
        history.
        """
        if not self._uncounted:
            return
        newest = max(run[0] for run in self._uncounted)
        ids = sorted(run[0] for run in self._uncounted)
        below = newest + 1 if self._has_expired or all_of_them else ids[len(ids) // 2]
        for unit, period, length in (("hour", "hourly", HOUR), ("day", "daily", DAY)):
            groups: defaultdict[tuple[int, int], list[tuple[str, int, int]]] = defaultdict(list)
            for id_, registration_id, ended_us, *run in self._uncounted:
                if id_ < below:
                    groups[ended_us // length, registration_id].append((str(run[0]), int(run[1]), int(run[2])))
            for (start, registration_id), runs in groups.items():
                self._count(f"counted_{period}", unit, start, registration_id, runs)
        self._uncounted = [run for run in self._uncounted if run[0] >= below]
        self.db.execute("INSERT OR REPLACE INTO store_state VALUES ('derived_below', ?)", (below,))

    def _count(self, table: str, unit: str, start: int, registration_id: int, runs: list[tuple[str, int, int]]) -> None:
        known = self.db.execute(
            f"SELECT sketch FROM {table} WHERE {unit} = ? AND registration_id = ?", (start, registration_id)
        ).fetchone()
        buckets = list(struct.unpack(f"<{len(known[0]) // 2}H", known[0][1:])) if known and known[0] else []
        timed = [duration_us for status, duration_us, _ in runs if status != "interrupted"]
        buckets += [math.ceil(math.log(max(duration_us, 1), 101 / 99)) for duration_us in timed]
        sketch = b"\0" + struct.pack(f"<{len(buckets)}H", *sorted(buckets)) if buckets else b""
        counts = [sum(1 for status, *_ in runs if status == name) for name in STATUSES]
        sums = (*counts, sum(timed), max(timed, default=0), sum(waited_us for *_, waited_us in runs), sketch)
        added = ", ".join(f"{one} = {one} + excluded.{one}" for one in (*STATUSES, "total_us", "waited_us"))
        self.db.execute(
            f"INSERT INTO {table} ({unit}, registration_id, {', '.join(STATUSES)}, total_us, max_us, waited_us, sketch)"
            f" VALUES ({', '.join('?' * (len(sums) + 2))}) ON CONFLICT DO UPDATE SET {added},"
            " max_us = max(max_us, excluded.max_us), sketch = excluded.sketch",
            (start, registration_id, *sums),
        )

    def skip(self, registration_id: int, at_us: int, reason: str, count: int = 1) -> None:
        for period, length in (("hourly", HOUR), ("daily", DAY)):
            self.db.execute(
                f"INSERT INTO skips_{period} VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET count = count + excluded.count",
                (at_us // length, registration_id, self.name(reason), count),
            )

    def not_run(
        self, registration_id: int, at_us: int, reason: str, detail: str | None = None, **trigger: object
    ) -> None:
        """Add a trigger that led to no run; ``trigger`` has columns of the table, with names in place of ids."""
        columns = {key: self.name(str(value)) if key.endswith("_id") else value for key, value in trigger.items()}
        self._insert(
            "not_runs",
            registration_id=registration_id,
            session_id=1,
            at_us=at_us,
            reason_id=self.name(reason),
            detail=detail,
            **columns,
        )

    def _fail(self, run_id: int, at_us: int, kind: str, type_: str, message: str) -> None:
        fingerprint = f"1:{kind}:{type_}"
        place = ("/config/apps/climate_guard.py", 42, "ClimateGuard.on_temperature", "now = float(event.new_state)")
        file, line, function, code = place if kind == "exception" else ("", 0, "", "")
        traceback = (
            'Traceback (most recent call last):\n  File "/config/apps/climate_guard.py", line 42, in on_temperature\n'
            f"    now = float(event.new_state)\n{type_}: {message}\n"
        )
        (group,) = self.db.execute(
            "INSERT INTO error_groups (fingerprint, kind, type, message, file, line, function, code, traceback,"
            " first_seen_us, last_seen_us, first_run_id, last_run_id, count)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET last_seen_us = max(last_seen_us, excluded.last_seen_us), count = count + 1,"
            " last_run_id = max(last_run_id, excluded.last_run_id) RETURNING id",
            (
                *(fingerprint, kind, type_, message, file, line, function, code),
                *(traceback if kind == "exception" else "", at_us, at_us, run_id, run_id),
            ),
        ).fetchone()
        self._insert("failures", run_id=run_id, error_group_id=group, message=message)

    def lifecycle(self, session_id: int, at_us: int, kind: str, subject: str, detail: str = "") -> int:
        self._counter += 1
        id_ = (at_us // 1000 << 21) | self._counter
        self._insert(
            "lifecycle_events", id=id_, session_id=session_id, at_us=at_us, kind=kind, subject=subject, detail=detail
        )
        return id_

    def loss(self, session_id: int, reason: str, what: str, count: int, first_us: int, last_us: int) -> None:
        self._insert(
            "losses", session_id=session_id, reason=reason, what=what, count=count, first_us=first_us, last_us=last_us
        )

    def sum_up_sessions(self) -> None:
        """Update the counts of the sessions from their rows."""
        self.db.execute(
            "UPDATE sessions SET runs = (SELECT count(*) FROM runs WHERE session_id = sessions.id),"
            " failures = (SELECT count(*) FROM runs WHERE session_id = sessions.id AND status_id IN (1, 3)),"
            " first_id = (SELECT min(id) FROM runs WHERE session_id = sessions.id),"
            " last_id = (SELECT max(id) FROM runs WHERE session_id = sessions.id),"
            " lost_runs = (SELECT coalesce(sum(count), 0) FROM losses"
            " WHERE session_id = sessions.id AND what = 'runs'),"
            " lost_details = (SELECT coalesce(sum(count), 0) FROM losses"
            " WHERE session_id = sessions.id AND what != 'runs')"
        )


class NewHistory(Protocol):
    """Creates an empty history in the test's folder, ready to be written."""

    def __call__(self, name: str = "hassette.db") -> History: ...
