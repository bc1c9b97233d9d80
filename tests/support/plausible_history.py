"""A plausible history of a small home, for tests of pages and questions.

Run as a script, this module fills a file: ``PYTHONPATH=tests python -m support.plausible_history hassette.db``.
"""

import json
import math
import random
import sys
import time
from pathlib import Path

from support.history import HOUR, MINUTE, SECOND, History

UNAVAILABLE = ("exception", "ValueError", "could not convert string to float: 'unavailable'")


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

    The home seems to be in a time zone in which the history ends at noon. So the history does not depend on the time of
    day.

    Args:
        path: File to write.
        now_us: End of the history; None for the present time.
        hours: Length of the history.
        seed: Seed of the random values. The same seed gives the same history, except for the times.
        scale: Factor for the number of events.
        hostile: Include a run whose names and texts are markup.
    """
    now = now_us or int(time.time() * SECOND)
    with History(path) as history:
        history.begin()
        home = _PlausibleHome(history, random.Random(seed), now - hours * HOUR, now)
        home.write_sessions()
        home.write_registrations(hostile=hostile)
        home.write_events(scale)
        home.write_window_checks(hours)
        home.write_reports(hours)
        home.write_incidents()
        home.write_running_job()
        history.sum_up_sessions()
        history.commit()


class _PlausibleHome:
    """Writer of the sessions, registrations and runs of one home.

    Args:
        history: Receives the rows.
        rng: Source of the random values. The history depends on the order of these values, so the methods must always
            be called in the same order.
        start: Start of the history in microseconds.
        now: End of the history in microseconds.
    """

    def __init__(self, history: History, rng: random.Random, start: int, now: int) -> None:
        self.history = history
        self.rng = rng
        self.start = start
        self.now = now
        self.crash = now - 11 * HOUR
        self.update = now - 3 * HOUR - 20 * MINUTE
        self.temperature = 20.4
        self.reported = "20.4"

    def write_sessions(self) -> None:
        history, crash, update, now = self.history, self.crash, self.update, self.now
        self.sessions = [
            (self.start, crash, history.session(self.start, crash, "crashed")),
            (crash + 4 * MINUTE, update, history.session(crash + 4 * MINUTE, update, "clean", reason="SIGTERM")),
            (update + 20 * SECOND, now, history.session(update + 20 * SECOND, None, "open", heartbeat_us=now)),
        ]

    def session_at(self, at_us: int) -> int | None:
        return next((id_ for begin, end, id_ in self.sessions if begin <= at_us < end), None)

    def write_registrations(self, *, hostile: bool) -> None:
        history = self.history
        self.motion = history.listener("motion_light", "on_motion", "state_changed.binary_sensor.hall_motion", "hall")
        self.kitchen = history.listener(
            "motion_light", "on_motion", "state_changed.binary_sensor.kitchen_motion", "kitchen"
        )
        self.light = history.listener("presence", "on_light", "state_changed.light.*")
        self.climate = history.listener("climate_guard", "on_temperature", "state_changed.sensor.*_temperature")
        self.door = history.listener("door_reminder", "on_door", "state_changed.binary_sensor.front_door")
        self.odd: int | None = None
        if hostile:
            self.odd = history.listener("odd", "<script>alert('name')</script>", "state_changed.<b>bold</b>.*")
        self.off = history.job("motion_light", "turn_off", "in 3 min after the last motion", "hall")
        self.check = history.job("climate_guard", "check_windows", "every 5 min")
        self.backup = history.job("backup", "nightly_backup", "cron 30 3 * * *")
        self.report = history.job("energy", "hourly_report", "cron 0 * * * *", timeout_s=10.0)

    def write_events(self, scale: float) -> None:
        """Write the runs that events of the home lead to."""
        rng, at = self.rng, self.start
        while at < self.now - SECOND:
            at += int(rng.expovariate(scale / (25 * SECOND)))
            session = self.session_at(at)
            if session is None or at >= self.now - SECOND:
                continue
            awake = 0.15 if 6 * HOUR < self.now - at <= 13 * HOUR else 1.0  # the household slept from 23:00 to 6:00
            dice = rng.random()
            if dice < 0.35 * awake:
                self._write_motion(at, session)
            elif dice < 0.7:
                self._write_temperature(at, session)
            elif dice < 0.74:
                self._write_door(at, session)
            elif dice < 0.75:
                self.history.skip(self.motion, at, "rate_limited", rng.randint(1, 4))

    def _write_motion(self, at: int, session: int) -> None:
        """Write the run that turns the light on, the run that the light triggers, and the job that turns it off."""
        history, rng = self.history, self.rng
        listener, room = (self.motion, "hall") if rng.random() < 0.6 else (self.kitchen, "kitchen")
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
            self.light, at + 40_000, session_id=session, duration_us=int(rng.lognormvariate(6.8, 0.4)),
            entity_id=f"light.{room}", old_state="off", new_state="on", context_id=call, user_id="hassette",
        )  # fmt: skip
        if room == "hall" and at + 3 * MINUTE < self.now and self.session_at(at + 3 * MINUTE) == session:
            history.run(
                self.off,
                at + 3 * MINUTE,
                session_id=session,
                job=True,
                duration_us=int(rng.lognormvariate(9.4, 0.4)),
            )

    def _write_temperature(self, at: int, session: int) -> None:
        history, rng = self.history, self.rng
        step = rng.uniform(-0.1, 0.1)
        # Each event is a change: an equal value would be a change of an attribute.
        self.temperature = round(self.temperature + step + math.copysign(0.1, step), 1)
        likely_bad = 0.25 if self.now - 5 * HOUR < at < self.now - 4 * HOUR else 0.012
        bad = rng.random() < likely_bad and self.reported != "unavailable"
        before, self.reported = self.reported, "unavailable" if bad else str(self.temperature)
        history.run(
            self.climate, at, session_id=session, duration_us=int(rng.lognormvariate(7.4, 0.7)),
            entity_id="sensor.bedroom_temperature", old_state=before, new_state=self.reported,
            status="error" if bad else "success",
            error=UNAVAILABLE if bad else None,
            logs=[(30, "The sensor is unavailable"), (40, "No set-point: the heating stays as it is")]
            if bad else (),
        )  # fmt: skip

    def _write_door(self, at: int, session: int) -> None:
        history, rng = self.history, self.rng
        history.run(
            self.door, at, session_id=session, duration_us=int(rng.lognormvariate(7, 0.5)),
            entity_id="binary_sensor.front_door", old_state="off", new_state="on",
        )  # fmt: skip

    def write_window_checks(self, hours: int) -> None:
        history, rng = self.history, self.rng
        for minutes in range(hours * 12):
            due = self.start + minutes * 5 * MINUTE
            if session := self.session_at(due):
                slow = rng.random() < 0.01
                history.run(
                    self.check, due, session_id=session, job=True, waited_us=int(rng.lognormvariate(6.5, 0.8)),
                    duration_us=int(rng.lognormvariate(8.8, 0.5)) if not slow else 2_400_000,
                )  # fmt: skip

    def write_reports(self, hours: int) -> None:
        history = self.history
        for hour in range(hours):
            due = (self.start // HOUR + hour + 1) * HOUR
            if (session := self.session_at(due)) and due < self.now:
                late = hour % 11 == 5
                history.run(
                    self.report, due, session_id=session, job=True, duration_us=10_000_000 if late else 420_000,
                    status="timed_out" if late else "success",
                    error=("timeout", "TimeoutError", "did not end within its deadline of 10 s") if late else None,
                )  # fmt: skip

    def write_incidents(self) -> None:
        """Write the interrupted backup, the run with markup, skips, lifecycle events and a loss."""
        history = self.history
        history.run(
            self.backup, self.crash, session_id=1, job=True, status="interrupted", duration_us=42 * SECOND,
            calls=[{"service": "backup.create", "context_id": None, "error": "The connection was lost"}],
        )  # fmt: skip
        if self.odd is not None:
            _write_markup(history, self.odd, self.now - 90 * SECOND)
        history.skip(self.check, self.now - 2 * HOUR, "overlap", 3)
        history.lifecycle(2, self.crash + 4 * MINUTE, "connection_restored", "ws://homeassistant.local:8123")
        history.lifecycle(
            3, self.now - 70 * MINUTE, "connection_lost", "ws://homeassistant.local:8123", "The socket closed."
        )
        history.lifecycle(
            3, self.now - 68 * MINUTE, "connection_restored", "ws://homeassistant.local:8123", "After 2 minutes."
        )
        history.lifecycle(
            3, self.update + MINUTE, "app_failed", "garden", "ModuleNotFoundError: no module named 'sprinkler'"
        )
        history.loss(2, "queue_full_count", "runs", 120, self.now - 6 * HOUR, self.now - 6 * HOUR + 40 * SECOND)

    def write_running_job(self) -> None:
        history = self.history
        history.db.execute(
            "INSERT INTO running_executions (session_id, run, registration_id, started_us, due_us, manual)"
            " VALUES (3, 99, ?, ?, ?, 0)",
            (self.report, self.now - 4 * SECOND, self.now - 4 * SECOND),
        )


def _write_markup(history: History, listener: int, at_us: int) -> None:
    """Write a run whose texts a page must not interpret."""
    history.run(
        listener, at_us, session_id=3, status="error", entity_id="sensor.<img src=x onerror=alert(1)>",
        old_state="<b>1</b>", new_state="</script><script>alert(2)</script>",
        error=("hassette", "odd.OddError", "<script>alert('message')</script> & \"quotes\""),
        logs=[(40, "<script>alert('log')</script>")],
    )  # fmt: skip


if __name__ == "__main__":
    plausible(Path(sys.argv[1]))
