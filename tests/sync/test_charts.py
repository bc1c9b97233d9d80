"""Charts over time: minutes, marks, axes and shades."""

import pytest

from hassette_sync import TimeRange
from hassette_sync.answers.overview import Mark, Timeline, TimelinePoint
from hassette_sync.answers.registrations import HeatCell, HeatMap
from hassette_sync.answers.values import Counts, Percentiles
from hassette_sync.web import charts
from support.history import BOOM, DAY, HOUR, MINUTE, SECOND, NewHistory
from support.patient_data import patient_data

MS = 1_000


async def test_short_range_has_a_point_for_each_minute(new_history: NewHistory, now_us: int) -> None:
    hour_us = now_us // HOUR * HOUR - 3 * HOUR
    with new_history() as history:
        history.session(hour_us - HOUR)
        handler = history.listener("app", "on_change", "state_changed.light.a")
        job = history.job("app", "check", "every 5 min")
        for minute, duration_us in ((0, 1 * MS), (0, 9 * MS), (17, 2 * MS)):
            history.run(handler, hour_us + minute * MINUTE + SECOND, duration_us=duration_us)
        history.run(job, hour_us + 17 * MINUTE, job=True, status="error", error=BOOM)
        history.run(handler, hour_us + 18 * MINUTE, status="interrupted", duration_us=DAY)
    async with patient_data(history.path) as data:
        answer = await data.timeline(TimeRange(hour_us, hour_us + HOUR))
        of_one = await data.timeline(TimeRange(hour_us, hour_us + HOUR), handler)
    assert answer.period_length_us == MINUTE
    assert [point.start_us for point in answer.points] == [hour_us + minute * MINUTE for minute in range(60)]
    assert answer.points[0].counts == Counts(success=2)
    assert answer.points[0].percentiles == Percentiles(p50_us=1 * MS, p95_us=9 * MS, p99_us=9 * MS)
    assert answer.points[17].counts == Counts(success=1, error=1)
    assert answer.points[18].percentiles == Percentiles(), "the duration of an interrupted run is not known"
    assert sum(point.counts.total for point in answer.points) == 5
    assert of_one.points[17].counts == Counts(success=1)
    assert {point.skipped for point in answer.points} == {None}


@pytest.mark.parametrize(("hours", "length_us"), [(2, MINUTE), (4, 2 * MINUTE), (7, 5 * MINUTE), (8, HOUR), (72, HOUR)])
async def test_longer_ranges_have_longer_points(
    new_history: NewHistory, now_us: int, hours: int, length_us: int
) -> None:
    end_us = now_us // HOUR * HOUR
    with new_history() as history:
        history.session(end_us - 80 * HOUR)
        history.run(history.listener("app", "on_change", "t"), end_us - HOUR // 2)
    async with patient_data(history.path) as data:
        answer = await data.timeline(TimeRange(end_us - hours * HOUR, end_us))
    assert answer.period_length_us == length_us
    assert len(answer.points) == hours * HOUR // length_us
    assert sum(point.counts.total for point in answer.points) == 1


async def test_hours_with_deleted_rows_are_shown_by_the_hour(new_history: NewHistory, now_us: int) -> None:
    hour_us = now_us // HOUR * HOUR - 3 * HOUR
    with new_history() as history:
        history.session(hour_us - HOUR)
        handler = history.listener("app", "on_change", "t")
        runs = [history.run(handler, hour_us + minute * MINUTE) for minute in range(3)]
        history.db.execute("DELETE FROM handler_invocations WHERE id = ?", (runs[0],))
    async with patient_data(history.path) as data:
        answer = await data.timeline(TimeRange(hour_us, hour_us + HOUR))
    assert answer.period_length_us == HOUR
    assert answer.points[0].counts.total == 3, "the statistics still count the deleted run"


async def test_run_with_an_unknown_status_or_duration_does_not_hide_the_minutes(
    new_history: NewHistory, now_us: int
) -> None:
    hour_us = now_us // HOUR * HOUR - 3 * HOUR
    with new_history() as history:
        history.session(hour_us - HOUR)
        handler = history.listener("app", "on_change", "t")
        history.run(handler, hour_us + SECOND, duration_us=-1)
        history.run(handler, hour_us + MINUTE, duration_us=2**62)
        damaged = history.run(handler, hour_us + 2 * MINUTE, with_statistics=False)
        history.db.execute("PRAGMA foreign_keys = OFF")
        history.db.execute("UPDATE handler_invocations SET status = 9 WHERE id = ?", (damaged,))
    async with patient_data(history.path) as data:
        answer = await data.timeline(TimeRange(hour_us, hour_us + HOUR))
    assert answer.period_length_us == MINUTE
    assert [point.counts.total for point in answer.points[:3]] == [1, 1, 0]
    assert answer.points[0].percentiles.p50_us == -1
    assert (answer.points[1].percentiles.p50_us or 0) >= 2**55


async def test_timeline_has_marks_of_sessions_and_new_versions(new_history: NewHistory, now_us: int) -> None:
    start_us = now_us // HOUR * HOUR - 5 * HOUR
    with new_history() as history:
        history.session(start_us - DAY, start_us - HOUR, "clean")
        crashed = history.session(start_us + MINUTE, start_us + HOUR, "crashed")
        history.session(start_us + HOUR + MINUTE)
        light = history.listener("light", "on_change", "t")
        history.run(light, start_us + 2 * HOUR)
        for number, (app, version) in enumerate((("light", "a1"), ("gate", "b1"), ("light", "a1"), ("light", "a2"))):
            at_us = start_us + (2 * HOUR + number * MINUTE)
            history.db.execute(
                "INSERT INTO deploys (id, session_id, app, version, code_hash, settings_hash, at_start)"
                " VALUES (?, ?, ?, ?, '', '', 0)",
                (at_us // 1000 << 21, crashed, app, version),
            )
        history.db.execute(
            "INSERT INTO deploys (id, session_id, app, version, code_hash, settings_hash, at_start)"
            " VALUES (?, ?, 'gate', 'b2', '', '', 0)",
            ((start_us + 3 * HOUR) // 1000 << 21, crashed),
        )
    within = TimeRange(start_us, start_us + 4 * HOUR)
    async with patient_data(history.path) as data:
        everything = (await data.timeline(within)).marks
        of_light = (await data.timeline(within, light)).marks
        choices = await data.time_choices()
        choices_of_light = await data.time_choices("light")
        choices_of_none = await data.time_choices("no such app")
    assert [(mark.kind, mark.title) for mark in everything] == [
        ("start", f"Hassette started (session {crashed})"),
        ("crash", f"Hassette crashed (session {crashed})"),
        ("start", f"Hassette started (session {crashed + 1})"),
        ("version", "light changed (a2)"),
        ("version", "gate changed (b2)"),
    ]
    assert everything[3].at_us == start_us + 2 * HOUR + 3 * MINUTE
    assert [mark.title for mark in of_light if mark.kind == "version"] == ["light changed (a2)"]
    assert choices.session_us == start_us + HOUR + MINUTE
    assert (choices.version_us, choices.version_title) == (start_us + 3 * HOUR, "gate b2")
    assert choices_of_light.version_title == "light a2"
    assert (choices_of_none.version_us, choices_of_none.version_title) == (None, "")


async def test_many_marks_are_bounded_to_the_newest(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        for minute in range(120, 0, -1):
            history.session(now_us - minute * MINUTE, now_us - minute * MINUTE + SECOND, "clean")
    async with patient_data(history.path) as data:
        marks = (await data.timeline()).marks
    assert len(marks) == 40
    assert marks[-1].at_us == now_us - MINUTE


def test_axes_end_at_round_numbers_whose_half_is_round_too() -> None:
    for value in (0, 1, 2, 3, 7, 9, 11, 99, 101, 230, 12_345, 999_999):
        top = charts.round_up(value)
        assert top >= value
        assert top % 2 == 0
        assert top <= max(2 * value, 2)
    for us in (0, 1, 950, 1_001, 59_000_000, 61 * SECOND, 50 * MINUTE, 61 * MINUTE, 25 * HOUR, 30 * DAY):
        assert charts.round_duration_up(us) >= us
        assert charts.round_duration_up(us) <= max(3 * us, 2)
    assert charts.round_duration_up(61 * SECOND) == 2 * MINUTE
    assert charts.round_duration_up(25 * HOUR) == 2 * DAY


def test_marks_lie_in_their_columns() -> None:
    points = tuple(
        TimelinePoint(start_us=hour * HOUR, counts=Counts(success=1), percentiles=Percentiles(p95_us=5), skipped=0)
        for hour in range(4)
    )
    marks = tuple(
        Mark(at_us=at_us, kind="start", title="s") for at_us in (0, HOUR + 1, 4 * HOUR - 1, 4 * HOUR, 9 * HOUR)
    )
    chart = charts.timeline_chart(Timeline(period_length_us=HOUR, points=points, marks=marks))
    assert [line.x for line in chart.marks] == [0, pytest.approx(25, abs=0.1), pytest.approx(100, abs=0.1)]
    assert [len(column.marks) for column in chart.columns] == [1, 1, 0, 1]


def test_chart_without_points_is_empty() -> None:
    chart = charts.timeline_chart(Timeline(period_length_us=HOUR, points=()))
    assert (chart.columns, chart.marks, chart.p95_lines) == ((), (), ())


def test_one_busy_cell_does_not_make_the_others_pale() -> None:
    counts = (1, 2, 5, 9, 100_000)
    cells = tuple(HeatCell(period_us=hour * HOUR, band=2, count=count) for hour, count in enumerate(counts))
    chart = charts.heat_chart(HeatMap(period_length_us=HOUR, bands_us=(1, 2, 3), cells=cells), 0, 5 * HOUR)
    assert [cell.step for column in chart.columns for cell in column.cells] == [1, 2, 3, 4, 5]
    assert chart.steps == tuple((step, count, count) for step, count in enumerate(counts, 1))


def test_heat_map_has_the_marks_of_its_time() -> None:
    cells = (HeatCell(period_us=2 * HOUR, band=1, count=3), HeatCell(period_us=4 * HOUR, band=1, count=3))
    heat = HeatMap(period_length_us=HOUR, bands_us=(1, 2, 3), cells=cells)
    marks = [Mark(at_us=at_us, kind="start", title=str(at_us)) for at_us in (HOUR, 3 * HOUR + HOUR // 2, 5 * HOUR)]
    chart = charts.heat_chart(heat, 2 * HOUR, 5 * HOUR, marks)
    assert [(line.mark, line.x) for line in chart.marks] == [(marks[1], 50)]
    assert [column.marks for column in chart.columns] == [(), (marks[1],), ()]


def test_equal_cells_have_the_same_shade() -> None:
    cells = tuple(HeatCell(period_us=hour * HOUR, band=hour % 2, count=3) for hour in range(10))
    chart = charts.heat_chart(HeatMap(period_length_us=HOUR, bands_us=(1, 2, 3), cells=cells), 0, 10 * HOUR)
    assert len({cell.step for column in chart.columns for cell in column.cells}) == 1
    assert len(chart.steps) == 1
