"""Sunrise and sunset: one run on every local day, in every city, compared with an independent calculation."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.moments import Place, SunTime
from hassette_core.moments.sun import crossings
from support.almanac import DAY, ERROR_DEGREES, SEA_LEVEL_HORIZON, Almanac
from support.home import Home
from support.records import nothing

pytestmark = pytest.mark.heavy

HOUR = 3600
Event = Literal["sunrise", "sunset"]
EVENTS: tuple[Event, Event] = ("sunrise", "sunset")


class City(NamedTuple):
    name: str
    zone: str
    latitude: float
    longitude: float

    @property
    def place(self) -> Place:
        return Place(zone=ZoneInfo(self.zone), latitude=self.latitude, longitude=self.longitude)


CITIES = [
    City("Adak", "America/Adak", 51.88, -176.65),
    City("Adelaide", "Australia/Adelaide", -34.93, 138.60),
    City("Anadyr", "Asia/Anadyr", 64.73, 177.50),
    City("Anchorage", "America/Anchorage", 61.22, -149.90),
    City("Apia", "Pacific/Apia", -13.83, -171.77),
    City("Auckland", "Pacific/Auckland", -36.85, 174.76),
    City("Berlin", "Europe/Berlin", 52.52, 13.40),
    City("Buenos Aires", "America/Argentina/Buenos_Aires", -34.60, -58.38),
    City("Cairo", "Africa/Cairo", 30.04, 31.24),
    City("Casablanca", "Africa/Casablanca", 33.57, -7.59),
    City("Chatham", "Pacific/Chatham", -43.95, -176.56),
    City("Chicago", "America/Chicago", 41.88, -87.63),
    City("Delhi", "Asia/Kolkata", 28.61, 77.21),
    City("Denver", "America/Denver", 39.74, -104.99),
    City("Fairbanks", "America/Anchorage", 64.84, -147.72),
    City("Havana", "America/Havana", 23.11, -82.37),
    City("Helsinki", "Europe/Helsinki", 60.17, 24.94),
    City("Honolulu", "Pacific/Honolulu", 21.31, -157.86),
    City("Johannesburg", "Africa/Johannesburg", -26.20, 28.05),
    City("Kathmandu", "Asia/Kathmandu", 27.72, 85.32),
    City("Kiritimati", "Pacific/Kiritimati", 1.87, -157.43),
    City("London", "Europe/London", 51.51, -0.13),
    City("Longyearbyen", "Arctic/Longyearbyen", 78.22, 15.65),
    City("Lord Howe", "Australia/Lord_Howe", -31.55, 159.08),
    City("Madrid", "Europe/Madrid", 40.42, -3.70),
    City("McMurdo", "Antarctica/McMurdo", -77.85, 166.67),
    City("Mexico City", "America/Mexico_City", 19.43, -99.13),
    City("Murmansk", "Europe/Moscow", 68.97, 33.08),
    City("Nairobi", "Africa/Nairobi", -1.29, 36.82),
    City("New York", "America/New_York", 40.71, -74.01),
    City("Nuuk", "America/Nuuk", 64.18, -51.72),
    City("Pago Pago", "Pacific/Pago_Pago", -14.28, -170.70),
    City("Perth", "Australia/Perth", -31.95, 115.86),
    City("Punta Arenas", "America/Punta_Arenas", -53.16, -70.91),
    City("Quito", "America/Guayaquil", -0.18, -78.47),
    City("Reykjavik", "Atlantic/Reykjavik", 64.15, -21.94),
    City("Rovaniemi", "Europe/Helsinki", 66.50, 25.73),
    City("Santiago", "America/Santiago", -33.45, -70.67),
    City("St. John's", "America/St_Johns", 47.56, -52.71),
    City("Sydney", "Australia/Sydney", -33.87, 151.21),
    City("Tehran", "Asia/Tehran", 35.69, 51.39),
    City("Tokyo", "Asia/Tokyo", 35.68, 139.69),
    City("Tromsø", "Europe/Oslo", 69.65, 18.96),
    City("Trondheim", "Europe/Oslo", 63.43, 10.40),
    City("Urumqi", "Asia/Shanghai", 43.83, 87.62),
    City("Ushuaia", "America/Argentina/Ushuaia", -54.80, -68.30),
    City("Utqiagvik", "America/Anchorage", 71.29, -156.79),
    City("Winnipeg", "America/Winnipeg", 49.90, -97.14),
    City("Yakutsk", "Asia/Yakutsk", 62.03, 129.73),
    City("South Pole", "Antarctica/South_Pole", -90.0, 0.0),
]
BY_NAME = {city.name: city for city in CITIES}


def runs(schedule: SunTime, place: Place, since: datetime, until: datetime) -> list[datetime]:
    """Return all runs of a job between two moments. As in the scheduler, each run is computed from the previous run."""
    found: list[datetime] = []
    moment = schedule.next_after(since, place)
    while moment is not None and moment < until:
        found.append(moment)
        moment = schedule.next_after(moment, place)
    return found


@pytest.mark.long
@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.name)
def test_job_runs_once_on_every_local_day_of_two_years_on_which_the_sun_rises_or_sets(city: City) -> None:
    zone = ZoneInfo(city.zone)
    since, until = (datetime(year, 1, 1, tzinfo=zone).astimezone(UTC) for year in (2026, 2028))
    almanac = Almanac(city.latitude, city.longitude)
    expected, grazing = almanac.follow(since, until, SEA_LEVEL_HORIZON)

    def days_near(moment: datetime, distance: timedelta) -> set[date]:
        return {(moment + shift).astimezone(zone).date() for shift in (-distance, timedelta(), distance)}

    # The two calculations may differ on a day on which the sun only touches the horizon. They may also differ if an
    # event is so close to midnight that a few seconds move it to another day.
    unclear = {day for moment in grazing for day in days_near(moment, DAY / 2)}
    for moment, _ in expected:
        if len(close := days_near(moment, timedelta(minutes=2))) > 1:
            unclear |= close
    assert len(unclear) < 30

    for event in EVENTS:
        found = runs(SunTime(event), city.place, since, until)
        days = [moment.astimezone(zone).date() for moment in found]
        assert len(days) == len(set(days))  # at most one run a day
        right = {moment.astimezone(zone).date() for moment, rising in expected if rising == (event == "sunrise")}
        assert set(days) ^ right <= unclear  # a run on every day that has an event, and on no other day
        heights = [almanac.height(moment) for moment in found]
        assert max(abs(height - SEA_LEVEL_HORIZON) for height in heights) < ERROR_DEGREES


@pytest.mark.parametrize(
    ("name", "event", "day"),
    [
        ("New York", "sunset", date(2026, 8, 10)),
        ("New York", "sunset", date(2026, 5, 5)),
        ("Chicago", "sunset", date(2026, 10, 19)),
        ("Denver", "sunset", date(2026, 11, 1)),
        ("Mexico City", "sunset", date(2026, 8, 17)),
        ("Winnipeg", "sunset", date(2026, 3, 8)),
        ("Tokyo", "sunrise", date(2026, 6, 14)),
        ("Sydney", "sunrise", date(2026, 9, 4)),
    ],
)
def test_event_that_passes_midnight_of_utc_is_neither_left_out_nor_doubled(name: str, event: Event, day: date) -> None:
    place = BY_NAME[name].place
    since = datetime(day.year, day.month, day.day, tzinfo=place.zone) - 20 * DAY
    found = runs(SunTime(event), place, since.astimezone(UTC), since.astimezone(UTC) + 40 * DAY)
    assert [moment.astimezone(place.zone).date() for moment in found] == [
        since.date() + timedelta(days=number) for number in range(40)
    ]


async def test_sunset_job_in_new_york_runs_on_the_10th_of_august_2026() -> None:
    home = Home(datetime(2026, 8, 9, 16, tzinfo=UTC), BY_NAME["New York"].zone)
    async with home.executor, home.scheduler_service:
        home.scheduler_service.set_place(latitude=40.71, longitude=-74.01)
        home.scheduler.run_at_sunset(nothing)
        await home.pass_time(4 * 24 * HOUR, step=600)
        days = [
            datetime.fromtimestamp(record.trigger.due_us / 1e6, ZoneInfo("America/New_York")).day
            for record in await home.records()
        ]
    assert days == [9, 10, 11, 12]


def test_two_sunsets_of_one_local_day_are_one_run() -> None:
    """In Fairbanks in July, the sun sets after midnight, a little earlier each day, until it sets before midnight."""
    place = BY_NAME["Fairbanks"].place
    since = datetime(2026, 7, 1, tzinfo=place.zone).astimezone(UTC)
    sunsets = [
        crossing.at.astimezone(place.zone)
        for crossing in islice(crossings(since, 64.84, -147.72), 62)
        if not crossing.rising
    ]
    twice = [late for early, late in pairwise(sunsets) if early.date() == late.date()]
    assert len(twice) == 1
    found = runs(SunTime("sunset"), place, since, sunsets[-1].astimezone(UTC) + DAY / 100)
    assert [moment.astimezone(place.zone) for moment in found] == [one for one in sunsets if one not in twice]


@given(
    st.sampled_from(CITIES),
    st.sampled_from(EVENTS),
    st.integers(-72, 72).map(lambda hours: timedelta(hours=hours / 2)),
    st.integers(0, 700).map(lambda days: datetime(2026, 1, 1, tzinfo=UTC) + days * DAY),
)
def test_offset_always_moves_the_runs_of_the_same_events(
    city: City, event: Event, offset: timedelta, since: datetime
) -> None:
    plain = runs(SunTime(event), city.place, since, since + 5 * DAY)
    moved = runs(SunTime(event, offset), city.place, since + offset, since + offset + 5 * DAY)
    assert moved == [moment + offset for moment in plain]


@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.floats(-400, 9_000),
    st.integers(0, 2_000).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + hours * timedelta(hours=9)),
)
def test_crossings_always_alternate_and_do_not_depend_on_the_start(
    latitude: float, longitude: float, elevation: float, since: datetime
) -> None:
    found = list(islice(crossings(since, latitude, longitude, elevation), 6))
    assert [one.rising for one in found] == [found[0].rising ^ bool(number % 2) for number in range(6)]
    assert found[0].at > since
    assert all(early.at < late.at for early, late in pairwise(found))
    later = list(islice(crossings(found[1].at, latitude, longitude, elevation), 4))
    assert [(one.rising, one.at) for one in later] == [(one.rising, one.at) for one in found[2:]]


def test_higher_place_sees_the_sun_longer_and_a_place_below_the_sea_does_not() -> None:
    def sunset(elevation: float) -> datetime:
        place = Place(zone=UTC, latitude=39.74, longitude=-104.99, elevation=elevation)
        found = SunTime("sunset").next_after(datetime(2026, 6, 1, 12, tzinfo=UTC), place)
        assert found is not None
        return found

    assert 340 < (sunset(1_560) - sunset(0)).total_seconds() < 360
    assert 0 < (sunset(10) - sunset(0)).total_seconds() < 60
    assert sunset(-400) == sunset(0)


def test_at_the_pole_the_sun_rises_and_sets_once_a_year() -> None:
    pole = BY_NAME["South Pole"].place
    since, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    assert [moment.month for moment in runs(SunTime("sunset"), pole, since, until)] == [3, 3]
    assert [moment.month for moment in runs(SunTime("sunrise"), pole, since, until)] == [9, 9]


async def test_new_elevation_moves_a_sun_job(home: Home) -> None:
    home.scheduler_service.set_place(latitude=39.74, longitude=-104.99)
    job = home.scheduler.run_at_sunset(nothing)
    before = job.next_run
    home.scheduler_service.set_place(elevation=1_560)
    assert before is not None
    assert job.next_run is not None
    assert 340 < (job.next_run - before).total_seconds() < 360


@pytest.mark.parametrize("change", [{"elevation": 1_500}, {"longitude": 12.4}])
@pytest.mark.parametrize("offset", [0, 12 * 3600, -12 * 3600])
async def test_sun_job_that_has_run_does_not_run_again_when_a_new_location_moves_the_sunset_to_later(
    home: Home, change: dict[str, float], offset: int
) -> None:
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    job = home.scheduler.run_at_sunset(nothing, offset)
    first = job.next_run
    assert first is not None
    await home.pass_time((first - home.clock.now()).total_seconds() + 60, step=60)
    await home.records(1)
    home.scheduler_service.set_place(**change)
    home.scheduler_service.set_place(elevation=change.get("elevation", 0) + 1)
    assert job.next_run is not None
    assert job.next_run - first > timedelta(hours=23)
    await home.pass_time(23 * 3600, step=300)
    await home.records(1)


async def test_sun_job_runs_at_once_when_a_new_location_moves_the_sunset_into_the_past(home: Home) -> None:
    home.scheduler_service.set_place(latitude=52.5, longitude=13.4)
    job = home.scheduler.run_at_sunset(nothing)
    first = job.next_run
    assert first is not None
    await home.pass_time((first - home.clock.now()).total_seconds() - 60, step=60)
    home.scheduler_service.set_place(longitude=14.4)
    await home.pass_time(1)
    await home.records(1)
    await home.pass_time(3600, step=60)
    await home.records(1)
    assert job.next_run is not None
    assert timedelta(hours=23) < job.next_run - first < timedelta(hours=25)
