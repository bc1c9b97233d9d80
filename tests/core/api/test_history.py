"""Past states, statistics and the logbook."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from hassette_core.api import LogbookEntry, PastState, Statistic
from hassette_core.errors import CallFailedError, UnexpectedAnswerError
from support.scripted_home import ScriptedApi

# The start of the clock.
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answer(home: ScriptedApi, command: str, *results: Any) -> None:
    """Answer a command, each time with the next result."""
    left = list(results)
    home.home.answers[command] = lambda message: left.pop(0)


async def test_history_is_fetched_with_all_changes_and_its_times(home: ScriptedApi) -> None:
    rows = [{"s": "off", "a": {"b": 1}, "lu": 1767222000.5}, {"s": "off", "a": {}, "lu": 1767222060, "lc": 1767222000}]
    answer(home, "history/history_during_period", {"light.hall": rows})
    history = await home.api.get_history(["light.hall", "light.porch", "light.hall"], timedelta(hours=1))
    first = datetime(2025, 12, 31, 23, 0, 0, 500_000, tzinfo=UTC)
    assert history == {
        "light.hall": [
            PastState("light.hall", "off", {"b": 1}, first, first),
            PastState("light.hall", "off", {}, NOW - timedelta(hours=1), NOW - timedelta(minutes=59)),
        ],
        "light.porch": [],
    }
    (sent,) = home.home.sent("history/history_during_period")
    assert sent["entity_ids"] == ["light.hall", "light.porch"]
    assert (sent["start_time"], sent["end_time"]) == ("2025-12-31T23:00:00+00:00", "2026-01-01T00:00:00+00:00")
    assert (sent["significant_changes_only"], sent["minimal_response"], sent["no_attributes"]) == (False, False, False)


async def test_long_history_is_fetched_by_day_without_a_gap_and_without_duplicates(home: ScriptedApi) -> None:
    noon = datetime(2025, 12, 28, 12, tzinfo=UTC)
    rows = [{"s": str(n), "lu": (noon + timedelta(hours=n)).timestamp()} for n in (0, 23, 24, 30, 48)]
    answer(
        home,
        "history/history_during_period",
        {"sensor.a": rows[:2]},
        {"sensor.a": rows[1:4]},  # a row of the first answer again
        {},
        {"sensor.a": rows[4:]},
    )
    zone = timezone(timedelta(hours=2))
    history = await home.api.get_history("sensor.a", noon.astimezone(zone), attributes=False)
    assert [state.state for state in history["sensor.a"]] == ["0", "23", "24", "30", "48"]
    sent = home.home.sent("history/history_during_period")
    assert [(each["start_time"], each["end_time"], each["include_start_time_state"]) for each in sent] == [
        ("2025-12-28T12:00:00+00:00", "2025-12-29T12:00:00+00:00", True),
        ("2025-12-29T11:59:59.999999+00:00", "2025-12-30T12:00:00+00:00", False),
        ("2025-12-30T11:59:59.999999+00:00", "2025-12-31T12:00:00+00:00", False),
        ("2025-12-31T11:59:59.999999+00:00", "2026-01-01T00:00:00+00:00", False),
    ]
    assert all(each["no_attributes"] for each in sent)


async def test_statistics_have_the_requested_values(home: ScriptedApi) -> None:
    row = {"start": 1767135600000, "end": 1767222000000, "change": 4.5, "mean": None}
    answer(home, "recorder/statistics_during_period", {"sensor.energy": [row]})
    statistics = await home.api.get_statistics(
        ["sensor.energy", "sensor.other"],
        timedelta(days=1),
        period="day",
        types=["change"],
        units={"energy": "kWh"},
    )
    start = NOW - timedelta(hours=25)
    assert statistics == {
        "sensor.energy": [Statistic(start, start + timedelta(days=1), change=4.5)],
        "sensor.other": [],
    }
    (sent,) = home.home.sent("recorder/statistics_during_period")
    assert (sent["period"], sent["types"], sent["units"]) == ("day", ["change"], {"energy": "kWh"})


async def test_logbook_entries_have_their_cause(home: ScriptedApi) -> None:
    row = {"when": 1767222000.0, "entity_id": "light.hall", "state": "on", "name": "Hall", "context_user_id": "u1"}
    automation = {
        "when": "2026-01-01T00:30:00+01:00",
        "name": "Evening",
        "message": "ran",
        "domain": "automation",
    }
    answer(home, "logbook/get_events", [row, automation])
    entries = await home.api.get_logbook(timedelta(hours=2), entities="light.hall")
    assert entries == [
        LogbookEntry(NOW - timedelta(hours=1), "Hall", "", "on", "light.hall", None, "u1", row),
        LogbookEntry(NOW - timedelta(minutes=30), "Evening", "ran", None, None, "automation", None, automation),
    ]
    (sent,) = home.home.sent("logbook/get_events")
    assert sent["entity_ids"] == ["light.hall"]
    assert "context_id" not in sent


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (datetime(2025, 1, 1), None, "start must have a time zone, got"),  # noqa: DTZ001  the case
        (timedelta(hours=1), datetime(2025, 1, 1), "end must have a time zone, got"),  # noqa: DTZ001  the case
        (timedelta(hours=1), timedelta(hours=2), "end must be after start"),
        (timedelta(), None, "end must be after start"),
        (3600, None, "start must be a datetime with a time zone or a timedelta, got 3600"),
        ("2025-01-01", None, "start must be a datetime with a time zone or a timedelta, got '2025-01-01'"),
    ],
)
async def test_wrong_range_is_refused(home: ScriptedApi, start: Any, end: Any, message: str) -> None:
    for fetch in (home.api.get_logbook, lambda *times: home.api.get_history("a.b", *times)):
        with pytest.raises((TypeError, ValueError), match=message):
            await fetch(start, end)
    with pytest.raises((TypeError, ValueError), match=message):
        await home.api.get_statistics("a.b", start, end)


@pytest.mark.parametrize("entities", [[], [1], ["a.b", None]])
async def test_wrong_entities_are_refused(home: ScriptedApi, entities: Any) -> None:
    with pytest.raises(ValueError, match="entities must be one or several ids"):
        await home.api.get_history(entities, timedelta(hours=1))


async def test_logbook_takes_entities_or_a_context(home: ScriptedApi) -> None:
    with pytest.raises(ValueError, match="context_id must be None if entities are given"):
        await home.api.get_logbook(timedelta(hours=1), entities="a.b", context_id="C")


@pytest.mark.parametrize("wrong", [None, [1], {"a.b": 1}, {"a.b": [{"s": "on"}]}, {"a.b": [{"s": "on", "lu": "x"}]}])
async def test_answer_of_an_unknown_shape_is_reported(home: ScriptedApi, wrong: Any) -> None:
    answer(home, "history/history_during_period", wrong)
    answer(home, "recorder/statistics_during_period", wrong)
    answer(home, "logbook/get_events", wrong)
    for fetch in (
        home.api.get_history("a.b", timedelta(hours=1)),
        home.api.get_statistics("a.b", timedelta(hours=1)),
        home.api.get_logbook(timedelta(hours=1)),
    ):
        with pytest.raises(UnexpectedAnswerError):
            await fetch


async def test_home_without_a_recorder_is_an_error_with_a_code(home: ScriptedApi) -> None:
    with pytest.raises(CallFailedError, match=r"cannot fetch the history of a.b: ") as failed:
        await home.api.get_history("a.b", timedelta(hours=1))
    assert failed.value.code == "unknown_command"
