"""Write a history row by row, as the store would, for tests that read it without an executor and a framework.

As a script it fills a file with a plausible day of a home: ``python tests/support/history.py hassette.db``.
"""

import json
import math
import random
import sqlite3
import sys
import time
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


def schema() -> str:
    return files("hassette_store").joinpath("migrations/sql/0001_initial.sql").read_text()


@dataclass
class History:
    """Writer of a history file. Close it, or use it in ``with``, before another connection needs the file whole.

    Numbers and names are those of the store, but nothing here imports its code: a test must not compare the store with
    itself. A writer for an existing file continues it.
    """

    path: Path

    def __post_init__(self) -> None:
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = OFF")
        if not self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
            self.db.executescript(schema())
            self.db.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            self.db.execute("INSERT INTO alembic_version VALUES ('0001')")
        self._names: dict[str, int] = dict(self.db.execute("SELECT name, id FROM names"))
        self._registrations: int = self.db.execute("SELECT count(*) FROM registrations").fetchone()[0]
        (runs,) = self.db.execute("SELECT count(*) FROM runs").fetchone()
        (events,) = self.db.execute("SELECT count(*) FROM lifecycle_events").fetchone()
        self._counter: int = runs + events

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
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
            "facts": json.dumps({"hassette": "0.1.0", "python": "3.12.4", "home_assistant": "2025.4.4"}),
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
        error: tuple[str, str, str] | None = None,
        calls: Sequence[Mapping[str, object]] = (),
        logs: Sequence[tuple[int, str]] = (),
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
                **common,
            )
        if with_statistics:
            self._count(registration_id, end_ms * 1000, status, duration_us, waited_us)
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
        return run_id

    def _count(self, registration_id: int, ended_us: int, status: str, duration_us: int, waited_us: int) -> None:
        bucket = math.ceil(math.log(max(duration_us, 1), 101 / 99))
        for unit, period, length in (("hour", "hourly", HOUR), ("day", "daily", DAY)):
            self.db.execute(
                f"INSERT INTO statistics_{period} ({unit}, registration_id, {status}, total_us, max_us, waited_us)"
                f" VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET {status} = {status} + 1,"
                " total_us = total_us + excluded.total_us, max_us = max(max_us, excluded.max_us),"
                " waited_us = waited_us + excluded.waited_us",
                (ended_us // length, registration_id, duration_us, duration_us, waited_us),
            )
            if status != "interrupted":
                self.db.execute(
                    f"INSERT INTO latency_{period} VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                    (ended_us // length, registration_id, bucket),
                )

    def skip(self, registration_id: int, at_us: int, reason: str, count: int = 1) -> None:
        for period, length in (("hourly", HOUR), ("daily", DAY)):
            self.db.execute(
                f"INSERT INTO skips_{period} VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET count = count + excluded.count",
                (at_us // length, registration_id, self.name(reason), count),
            )

    def _fail(self, run_id: int, at_us: int, kind: str, type_: str, message: str) -> None:
        fingerprint = f"1:{kind}:{type_}"
        traceback = (
            'Traceback (most recent call last):\n  File "/config/apps/climate.py", line 42, in on_temperature\n'
            f'    await self.api.call_service("climate", "set_temperature")\n{type_}: {message}\n'
        )
        (group,) = self.db.execute(
            "INSERT INTO error_groups (fingerprint, kind, type, message, traceback, first_seen_us, last_seen_us,"
            " last_run_id, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET last_seen_us = max(last_seen_us, excluded.last_seen_us), count = count + 1,"
            " last_run_id = max(last_run_id, excluded.last_run_id) RETURNING id",
            (fingerprint, kind, type_, message, traceback if kind == "exception" else "", at_us, at_us, run_id),
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
            " last_id = (SELECT max(id) FROM runs WHERE session_id = sessions.id)"
        )


class NewHistory(Protocol):
    """Creates an empty history in the test's folder, ready to be written."""

    def __call__(self, name: str = "hassette.db") -> History: ...


def _write_markup(history: History, listener: int, at_us: int) -> None:
    """Write a run whose texts a page must not interpret."""
    history.run(
        listener, at_us, session_id=3, status="error", entity_id="sensor.<img src=x onerror=alert(1)>",
        old_state="<b>1</b>", new_state="</script><script>alert(2)</script>",
        error=("hassette", "odd.OddError", "<script>alert('message')</script> & \"quotes\""),
        logs=[(40, "<script>alert('log')</script>")],
    )  # fmt: skip


def plausible(
    path: Path,
    *,
    now_us: int | None = None,
    hours: int = 30,
    seed: int = 7,
    scale: float = 1.0,
    hostile: bool = True,
) -> None:
    """Fill a file with the last hours of a small home. The last session is still running.

    Args:
        path: File to write.
        now_us: End of the history; None for the present time.
        hours: Length of the history.
        seed: Seed of the random values. The same seed gives the same history, except for the times.
        scale: Factor for the number of events.
        hostile: Include a run whose names and texts are markup.
    """
    rng = random.Random(seed)
    now = now_us or int(time.time() * SECOND)
    start = now - hours * HOUR
    with History(path) as history:
        history.begin()
        crash, update = now - 11 * HOUR, now - 3 * HOUR - 20 * MINUTE
        sessions = [
            (start, crash, history.session(start, crash, "crashed")),
            (crash + 4 * MINUTE, update, history.session(crash + 4 * MINUTE, update, "clean", reason="SIGTERM")),
            (update + 20 * SECOND, now, history.session(update + 20 * SECOND, None, "open", heartbeat_us=now)),
        ]

        def session_at(at_us: int) -> int | None:
            return next((id_ for begin, end, id_ in sessions if begin <= at_us < end), None)

        motion = history.listener("motion_light", "on_motion", "state_changed.binary_sensor.hall_motion", "hall")
        kitchen = history.listener("motion_light", "on_motion", "state_changed.binary_sensor.kitchen_motion", "kitchen")
        light = history.listener("presence", "on_light", "state_changed.light.*")
        climate = history.listener("climate_guard", "on_temperature", "state_changed.sensor.*_temperature")
        door = history.listener("door_reminder", "on_door", "state_changed.binary_sensor.front_door")
        if hostile:
            odd = history.listener("odd", "<script>alert('name')</script>", "state_changed.<b>bold</b>.*")
        else:
            odd = None
        off = history.job("motion_light", "turn_off", "in 3 min after the last motion", "hall")
        check = history.job("climate_guard", "check_windows", "every 5 min")
        backup = history.job("backup", "nightly_backup", "cron 30 3 * * *")
        report = history.job("energy", "hourly_report", "cron 0 * * * *", timeout_s=10.0)

        at = start
        temperature = 20.4
        unavailable = ("exception", "ValueError", "could not convert string to float: 'unavailable'")
        while at < now - SECOND:
            at += int(rng.expovariate(scale / (25 * SECOND)))
            session = session_at(at)
            if session is None or at >= now - SECOND:
                continue
            local_hour = time.localtime(at / SECOND).tm_hour
            awake = 1.0 if 6 <= local_hour < 23 else 0.15
            dice = rng.random()
            if dice < 0.35 * awake:
                listener, room = (motion, "hall") if rng.random() < 0.6 else (kitchen, "kitchen")
                call, cause = f"01JC{rng.getrandbits(60):016X}", f"01JB{rng.getrandbits(60):016X}"
                took = int(rng.lognormvariate(9.6, 0.5))
                history.run(
                    listener, at, session_id=session, duration_us=took, waited_us=int(rng.lognormvariate(6, 0.6)),
                    entity_id=f"binary_sensor.{room}_motion", old_state="off", new_state="on", context_id=cause,
                    calls=[
                        {
                            "service": "light.turn_on",
                            "target": json.dumps({"entity_id": [f"light.{room}"]}),
                            "data": json.dumps({"brightness_pct": 80, "transition": 1}),
                            "context_id": call,
                            "duration_us": took - 200,
                        }
                    ],
                    logs=[(30, f"The {room} is dark: turning the light on")] if rng.random() < 0.3 else (),
                )  # fmt: skip
                history.run(
                    light, at + 40_000, session_id=session, duration_us=int(rng.lognormvariate(6.8, 0.4)),
                    entity_id=f"light.{room}", old_state="off", new_state="on", context_id=call, user_id="hassette",
                )  # fmt: skip
                if room == "hall" and at + 3 * MINUTE < now and session_at(at + 3 * MINUTE) == session:
                    history.run(
                        off,
                        at + 3 * MINUTE,
                        session_id=session,
                        job=True,
                        duration_us=int(rng.lognormvariate(9.4, 0.4)),
                    )
            elif dice < 0.7:
                before, temperature = temperature, round(temperature + rng.uniform(-0.2, 0.2), 1)
                bad = rng.random() < (0.25 if now - 5 * HOUR < at < now - 4 * HOUR else 0.012)
                history.run(
                    climate, at, session_id=session, duration_us=int(rng.lognormvariate(7.4, 0.7)),
                    entity_id="sensor.bedroom_temperature", old_state=str(before), new_state=str(temperature),
                    status="error" if bad else "success",
                    error=unavailable if bad else None,
                    logs=[(30, "The sensor is unavailable"), (40, "No set-point: the heating stays as it is")]
                    if bad else (),
                )  # fmt: skip
            elif dice < 0.74:
                history.run(
                    door, at, session_id=session, duration_us=int(rng.lognormvariate(7, 0.5)),
                    entity_id="binary_sensor.front_door", old_state="off", new_state="on",
                )  # fmt: skip
            elif dice < 0.75:
                history.skip(motion, at, "rate_limited", rng.randint(1, 4))
        for minutes in range(hours * 12):
            due = start + minutes * 5 * MINUTE
            if session := session_at(due):
                slow = rng.random() < 0.01
                history.run(
                    check, due, session_id=session, job=True, waited_us=int(rng.lognormvariate(6.5, 0.8)),
                    duration_us=int(rng.lognormvariate(8.8, 0.5)) if not slow else 2_400_000,
                )  # fmt: skip
        for hour in range(hours):
            due = (start // HOUR + hour + 1) * HOUR
            if (session := session_at(due)) and due < now:
                late = hour % 11 == 5
                history.run(
                    report, due, session_id=session, job=True, duration_us=10_000_000 if late else 420_000,
                    status="timed_out" if late else "success",
                    error=("timeout", "TimeoutError", "ran longer than its timeout of 10 s") if late else None,
                )  # fmt: skip
        history.run(
            backup, crash, session_id=1, job=True, status="interrupted", duration_us=42 * SECOND,
            calls=[{"service": "backup.create", "context_id": None, "error": "The connection was lost"}],
        )  # fmt: skip
        if odd is not None:
            _write_markup(history, odd, now - 90 * SECOND)
        history.skip(check, now - 2 * HOUR, "overlap", 3)
        history.lifecycle(2, crash + 4 * MINUTE, "connection_restored", "ws://homeassistant.local:8123")
        history.lifecycle(
            3, now - 70 * MINUTE, "connection_lost", "ws://homeassistant.local:8123", "The socket closed."
        )
        history.lifecycle(
            3, now - 68 * MINUTE, "connection_restored", "ws://homeassistant.local:8123", "After 2 minutes."
        )
        history.lifecycle(
            3, update + MINUTE, "app_failed", "garden", "ModuleNotFoundError: no module named 'sprinkler'"
        )
        history.loss(2, "queue_full_count", "runs", 120, now - 6 * HOUR, now - 6 * HOUR + 40 * SECOND)
        history.db.execute(
            "INSERT INTO running_executions (session_id, run, registration_id, started_us, due_us, manual)"
            " VALUES (3, 99, ?, ?, ?, 0)",
            (report, now - 4 * SECOND, now - 4 * SECOND),
        )
        history.sum_up_sessions()
        history.commit()


if __name__ == "__main__":
    plausible(Path(sys.argv[1]))
