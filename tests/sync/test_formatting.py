"""Formatting of numbers and times, ids, time ranges, charts, the verdict, and the public names."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hassette_sync
from hassette_store.ids import first_id_at, time_of
from hassette_sync import BadQuestionError, formatting
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.ids import parse_id
from hassette_sync.time_range import parse_moment
from hassette_sync.web import charts

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (None, "–"),
        (0, "0 µs"),
        (999, "999 µs"),
        (1_234, "1.2 ms"),
        (9_960, "10 ms"),
        (12_345, "12 ms"),
        (999_499, "999 ms"),
        (999_600, "1.0 s"),
        (1_234_567, "1.2 s"),
        (125 * SECOND, "2 min 5 s"),
        (3_600 * SECOND, "1 h"),
        (12_000 * SECOND, "3 h 20 min"),
        (86_400 * SECOND, "1 d"),
        (180_000 * SECOND, "2 d 2 h"),
    ],
)
def test_duration_is_formatted_with_its_unit(us: int | None, text: str) -> None:
    assert formatting.duration(us) == text


@given(st.integers(0, 10**15))
def test_every_duration_fits_a_column(us: int) -> None:
    assert len(formatting.duration(us)) <= 12


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0 %"), (0.0001, "0.1 %"), (0.034, "3.4 %"), (0.5, "50 %"), (0.9999, "99.9 %"), (1.0, "100 %")],
)
def test_share_is_0_or_100_percent_only_when_exact(value: float | None, text: str) -> None:
    assert formatting.share(value) == text


def test_moments_distances_and_sizes_have_short_texts() -> None:
    noon = int(datetime(2026, 6, 15, 12, 0, 0).timestamp()) * SECOND  # noqa: DTZ001  local time is meant
    shown = ShownTimes(HomeTime(), noon)
    assert shown(noon) == "12:00:00"
    assert shown(noon - 86_400 * SECOND, seconds=False) == "14 Jun 12:00"
    assert shown(noon - 400 * 86_400 * SECOND).startswith("11 May 2025")
    assert formatting.ago(noon - 5 * SECOND, now_us=noon) == "5 s ago"
    assert formatting.ago(noon + 180 * SECOND, now_us=noon) == "in 3 min"
    assert formatting.ago(noon, now_us=noon) == "just now"
    assert formatting.ago(None, now_us=noon) == "never"
    assert [formatting.size(n) for n in (5, 1_200, 123_456, 5_000_000, 7_000_000_000)] == [
        "5 B",
        "1.2 kB",
        "123 kB",
        "5.0 MB",
        "7.0 GB",
    ]


@given(st.integers(0, 4_000_000_000_000_000), st.integers(0, 2**21 - 1))
def test_id_lies_in_the_range_of_its_moment(at_us: int, counter: int) -> None:
    id_ = (at_us // 1000 << 21) | counter
    assert first_id_at(at_us) <= id_ < first_id_at(at_us + 1000)
    assert time_of(id_) == at_us // 1000 * 1000
    assert parse_id(str(id_)) == id_


@pytest.mark.parametrize("text", ["", "-1", "1.5", "0x1", "٣", "1" * 20, str(2**63)])
def test_invalid_id_is_refused(text: str) -> None:
    with pytest.raises(BadQuestionError):
        parse_id(text)


def test_ages_iso_times_and_microseconds_are_parsed() -> None:
    at_us = 1_800_000_000 * SECOND
    assert parse_moment("90s", at_us=at_us) == at_us - 90 * SECOND
    assert parse_moment("7d", at_us=at_us) == at_us - 7 * 86_400 * SECOND
    assert parse_moment("999999w", at_us=at_us) == 0
    assert parse_moment("2026-01-31T18:00+00:00", at_us=at_us) == int(
        datetime(2026, 1, 31, 18, tzinfo=UTC).timestamp() * SECOND
    )
    assert parse_moment(str(at_us), at_us=0) == at_us
    assert parse_moment("0", at_us=at_us) == 0


@pytest.mark.parametrize("text", ["20260131", "1800000000", "1"])
def test_date_without_dashes_or_a_time_in_seconds_is_refused(text: str) -> None:
    with pytest.raises(BadQuestionError, match=f"time must be 0 or .*, got '{text}'. Write a day as 2026-01-31"):
        parse_moment(text, at_us=1_800_000_000 * SECOND)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
def test_bars_stay_in_the_chart_and_every_failure_is_visible(totals: list[int]) -> None:
    from hassette_sync.answers.overview import Timeline, TimelinePoint
    from hassette_sync.answers.values import Counts, Percentiles

    points = tuple(
        TimelinePoint(
            start_us=n * 3_600 * SECOND,
            counts=Counts(success=total, error=min(total, 1)),
            percentiles=Percentiles(p50_us=1, p95_us=total + 1, p99_us=total + 2) if total else Percentiles(),
            skipped=0,
        )
        for n, total in enumerate(totals)
    )
    chart = charts.timeline_chart(Timeline(period_length_us=3_600 * SECOND, points=points))
    for column, total in zip(chart.columns, totals, strict=True):
        assert 0 <= column.failed.y <= column.good.y <= charts.PLOT_HEIGHT
        assert column.good.y + column.good.height == pytest.approx(charts.PLOT_HEIGHT)
        assert (column.failed.height >= 3) == (total > 0)
        assert column.area.x + column.area.width <= 100.1


@pytest.mark.parametrize(("count", "text"), [(0, "0 crashes"), (1, "1 crash"), (1_234, "1,234 crashes")])
def test_counts_agree_with_their_nouns(count: int, text: str) -> None:
    assert formatting.plural(count, "crash", "crashes") == text


@pytest.mark.parametrize(
    ("kind", "subject", "shown"),
    [
        ("app_failed", "hall", "hall"),
        ("app_failed", "hall.hall", "hall"),
        ("app_failed", "hall.default", "hall"),
        ("app_failed", "light.hall", "light.hall"),
        ("control_run_job", "hall.hall.off", "hall.off"),
        ("hassette_crashed", "hassette", ""),
        ("service_started", "sync", "sync"),
    ],
)
def test_subject_of_an_event_has_the_name_of_the_lists(kind: str, subject: str, shown: str) -> None:
    assert formatting.event_subject(kind, subject) == shown


def test_public_names_are_sorted_and_exist() -> None:
    assert hassette_sync.__all__ == sorted(hassette_sync.__all__)
    assert all(hasattr(hassette_sync, name) for name in hassette_sync.__all__)


def test_every_module_has_a_docstring() -> None:
    # The modules of an extra that is not installed cannot be imported.
    for file in Path(hassette_sync.__path__[0]).rglob("*.py"):
        assert ast.get_docstring(ast.parse(file.read_text())), file
