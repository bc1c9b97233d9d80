"""Answers about a time whose history was lost, because its file was removed while Hassette was running."""

from datetime import UTC, datetime

import pytest

from hassette_sync import AskedTime
from support.history import HOUR, MINUTE, SECOND, NewHistory, facts
from support.patient_data import patient_data


@pytest.fixture
def lost_us(now_us: int) -> int:
    """Return the start of the new file, an hour ago."""
    return (now_us - HOUR) // SECOND * SECOND


def _facts(lost_us: int) -> str:
    since = datetime.fromtimestamp(lost_us / SECOND, UTC).isoformat()
    return facts(user="u0", time_zone="UTC", connected=since, history_since=since)


def _sentence(lost_us: int) -> str:
    return f"{datetime.fromtimestamp(lost_us / SECOND, UTC):%H:%M:%S} was lost."


@pytest.mark.parametrize("hours", [3, 20], ids=["in the session", "before the session"])
async def test_question_about_lost_history_does_not_claim_that_hassette_was_stopped(
    new_history: NewHistory, now_us: int, lost_us: int, hours: int
) -> None:
    with new_history() as history:
        history.session(now_us - 5 * HOUR, facts=_facts(lost_us))
        history.job("cleaner", "tidy", "daily at 02:30", first_registered_us=lost_us)
        history.name("light.hall")
    async with patient_data(history.path) as data:
        at = AskedTime.moment(now_us - hours * HOUR)
        why = await data.why(entity="light.hall", at=at)
        why_not = await data.why_not("cleaner.tidy", at=at)
        later = await data.why(entity="light.hall", at=AskedTime.moment(lost_us + 30 * MINUTE))

    assert len(why.missing) == 1
    assert why.missing[0].startswith("The history before ")
    assert why.missing[0].endswith(_sentence(lost_us))
    assert why_not.reason == "history_lost"
    assert why_not.sentence.count("The history before ") == 1
    assert {one.result for one in why_not.checks if one.name in ("registered", "framework_up", "enabled")} == {
        "unknown"
    }
    assert later.missing == ()


async def test_time_between_two_sessions_of_a_whole_history_is_not_lost(new_history: NewHistory, now_us: int) -> None:
    lost_us = now_us - HOUR
    with new_history() as history:
        history.session(now_us - 9 * HOUR, now_us - 8 * HOUR, "clean")
        history.session(now_us - 7 * HOUR, now_us - 6 * HOUR, "clean")
        history.session(now_us - 5 * HOUR, facts=_facts(lost_us))
        history.name("light.hall")
    async with patient_data(history.path) as data:
        stopped = await data.why(entity="light.hall", at=AskedTime.moment(now_us - 7 * HOUR - 30 * MINUTE))
        lost = await data.why(entity="light.hall", at=AskedTime.moment(now_us - 5 * HOUR - 30 * MINUTE))

    assert stopped.missing == ("Hassette was not running at that time.",)
    assert lost.missing[0].startswith("The history before ")


async def test_cause_of_a_sensor_after_the_new_file_began_is_not_lost_with_the_old_file(
    new_history: NewHistory, lost_us: int
) -> None:
    with new_history() as history:
        session = history.session(lost_us - HOUR, facts=_facts(lost_us))
        history.loss(session, "file_lost", "runs", 3, lost_us - MINUTE, lost_us - 5 * SECOND)
        after_us = lost_us + 30 * SECOND
        for name, at_us in (
            ("light.a", lost_us - SECOND),
            ("light.b", after_us),
            ("binary_sensor.c", after_us + SECOND),
        ):
            history.db.execute(
                "INSERT INTO home_changes (id, session_id, entity_id, old_state, new_state, context_id) "
                "VALUES (:id, :session, :entity, 'off', 'on', 'a device')",
                {"id": at_us // 1000 << 21, "session": session, "entity": history.name(name)},
            )
    async with patient_data(history.path) as data:
        before, light, sensor = [
            (await data.why(entity=name)).found[0].missing for name in ("light.a", "light.b", "binary_sensor.c")
        ]

    assert before == "the earlier history was lost, and the cause may have been in that history."
    assert light == "records of that time were lost, so the cause of the change may be among them."
    assert sensor == ""
