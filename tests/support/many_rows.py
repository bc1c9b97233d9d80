"""Histories with many registrations or many sessions, for tests and benchmarks of slow questions."""

import time
from pathlib import Path

from support.history import BOOM, DAY, HOUR, MINUTE, SECOND, History


def write_many_names(path: Path, jobs: int) -> None:
    """Write a history of two apps: one gives each of its one-shot jobs a different name, the other is ordinary.

    Every second job has run within the last day.

    Args:
        path: The new file.
        jobs: Number of jobs.
    """
    now_us = int(time.time() * SECOND)
    with History(path) as history:
        history.begin()
        history.session(now_us - DAY)
        ended_us = now_us - DAY
        for number in range(jobs):
            job = history.job(
                "lights", f"off_{number:05}", "after 5 s", last_registered_us=ended_us, retired_us=ended_us
            )
            if number % 2:
                failed = number % 100 == 1
                at_us = now_us - 23 * HOUR + number * 8 * SECOND
                error = BOOM if failed else None
                history.run(job, at_us, job=True, status="error" if failed else "success", error=error)
                history.skip(job, at_us, "overlap", 1 + number % 7)
        for number in range(5):
            handler = history.listener("hall", f"on_motion_{number}", "state_changed.x")
            for run in range(10 * number):
                history.run(handler, now_us - run * MINUTE)
        history.commit()


def write_crash_loop(path: Path, sessions: int) -> None:
    """Write a history with crashed sessions at equal intervals in the last 100 days.

    Each session lasted for a quarter of the interval.

    Args:
        path: The new file.
        sessions: Number of sessions.
    """
    now_us = int(time.time() * SECOND)
    length_us = 100 * DAY // sessions
    with History(path) as history:
        history.begin()
        for number in range(sessions):
            start_us = now_us - 100 * DAY + number * length_us
            history.session(start_us, start_us + length_us // 4, "crashed", first_id=1, last_id=2)
        history.commit()
