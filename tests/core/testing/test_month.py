"""A month of a thousand jobs passes in seconds: each run happens exactly once, at its time, across both DST changes."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from hassette_core import App, AppConfig
from hassette_core.testing import HomeUnderTest

DAYS = 30
CHANGES = [
    ("Europe/Vienna", "2026-03-14 12:00"),
    ("Europe/Vienna", "2026-10-10 12:00"),
    ("America/New_York", "2026-02-20 12:00"),
    ("America/New_York", "2026-10-10 12:00"),
    ("Australia/Lord_Howe", "2026-03-14 12:00"),
    ("Australia/Lord_Howe", "2026-09-20 12:00"),
    ("Africa/Casablanca", "2026-02-10 12:00"),
    ("Africa/Casablanca", "2026-03-01 12:00"),
    ("Pacific/Chatham", "2026-03-14 12:00"),
    ("Pacific/Chatham", "2026-09-10 12:00"),
]
"""Both changes in five zones. They differ by the hour of the day, by the hemisphere, and by half an hour."""


class MonthConfig(AppConfig):
    jobs: int


class Month(App[MonthConfig]):
    """Many jobs: three of four are daily, and the others run hourly or at an interval."""

    async def on_initialize(self) -> None:
        self.seen: dict[str, list[datetime]] = {}
        for number in range(self.config.jobs):
            name = f"job_{number}"
            self.seen[name] = []
            if number % 4:
                minute = number * 1_440 // self.config.jobs
                self.scheduler.run_daily(
                    self.note, f"{minute // 60:02}:{minute % 60:02}", kwargs={"name": name}, name=name
                )
            elif number % 8:
                self.scheduler.run_cron(self.note, f"{number % 60} */6 * * *", kwargs={"name": name}, name=name)
            else:
                self.scheduler.run_every(self.note, 6 * 3_600, kwargs={"name": name}, name=name)

    async def note(self, name: str) -> None:
        self.seen[name].append(self.time.now())


def days_between(start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield local midnights from the day of the start to the day of the end."""
    day = start.replace(hour=0, minute=0)
    while day <= end:
        yield day
        day += timedelta(days=1)


def expected_daily(start: datetime, end: datetime, minute: int) -> list[datetime]:
    """Return the times of a daily job, once a day. A time that the change leaves out moves behind the gap."""
    times: list[datetime] = []
    for day in days_between(start, end):
        local = day.replace(hour=minute // 60, minute=minute % 60)
        at = local.astimezone(UTC)
        if at.astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None):
            at = end_of_gap(local)
        if start < at <= end:
            times.append(at)
    return times


def expected_every_six_hours(start: datetime, end: datetime, minute: int) -> list[datetime]:
    """Return the times of the cron job: at 0, 6, 12 and 18 o'clock. No change happens at these hours."""
    times = [
        day.replace(hour=hour, minute=minute).astimezone(UTC)
        for day in days_between(start, end)
        for hour in (0, 6, 12, 18)
    ]
    return [at for at in times if start < at <= end]


def end_of_gap(local: datetime) -> datetime:
    """Return the first moment after a gap in local time."""
    at = (local - timedelta(hours=3)).astimezone(UTC)
    before = at.astimezone(local.tzinfo).utcoffset()
    while at.astimezone(local.tzinfo).utcoffset() == before:
        at += timedelta(minutes=1)
    return at


@pytest.mark.long
@pytest.mark.parametrize(("zone", "start"), CHANGES)
def test_no_run_is_missed_or_doubled_when_the_clocks_change(home: HomeUnderTest, zone: str, start: str) -> None:
    let_a_month_pass(home, zone, start, jobs=60)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_each_of_a_thousand_jobs_runs_once_at_its_time(home: HomeUnderTest) -> None:
    let_a_month_pass(home, *CHANGES[0], jobs=1_000)


def let_a_month_pass(home: HomeUnderTest, zone: str, start: str, jobs: int) -> None:
    home.at(start, tz=zone)
    began = home.now
    home.add_app(Month, jobs=jobs)
    home.advance_to(began + timedelta(days=DAYS))
    ended = home.now
    assert began.utcoffset() != ended.utcoffset()
    seen = home.app(Month).seen
    wrong: Counter[str] = Counter()
    for number in range(jobs):
        times = [at.astimezone(UTC) for at in seen[f"job_{number}"]]
        if number % 4:
            wrong["daily"] += times != expected_daily(began, ended, number * 1_440 // jobs)
        elif number % 8 == 0:
            steps = int((ended.astimezone(UTC) - began.astimezone(UTC)) / timedelta(hours=6))
            first = began.astimezone(UTC)
            wrong["interval"] += times != [first + timedelta(hours=6 * step) for step in range(1, steps + 1)]
        else:
            wrong["cron"] += times != expected_every_six_hours(began, ended, number % 60)
    assert +wrong == Counter()
