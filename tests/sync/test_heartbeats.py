"""Heartbeats in the owner note: the row of the open session is older."""

from hassette_store.file.owner_note import Heartbeat, owner_note
from hassette_sync import AskedTime, DataSyncService
from support.history import HOUR, MINUTE, SECOND, NewHistory


async def test_session_of_a_quiet_home_is_running_while_its_note_has_heartbeats(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, heartbeat_us=now_us - 10 * MINUTE)
    note = owner_note(history.path)
    async with DataSyncService(history.path) as data:
        note.write_bytes(b"{}\n" + Heartbeat(1, now_us - HOUR, 0, now_us).line())
        status, uptime = await data.status(), await data.uptime()
        assert status.session is not None
        assert (status.session.state, status.session.heartbeat_us) == ("running", now_us)
        assert HOUR <= uptime.up_us <= HOUR + 30 * SECOND
        note.write_bytes(b"{}\n" + Heartbeat(1, now_us - HOUR + 1, 0, now_us).line())
        status, uptime = await data.status(), await data.uptime()
        assert status.session is not None
        assert (status.session.state, status.session.heartbeat_us) == ("silent", now_us - 10 * MINUTE)
        assert uptime.up_us == 50 * MINUTE


async def test_killed_framework_is_named_by_why_and_why_not(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, heartbeat_us=now_us - 50 * MINUTE)
        history.db.execute("INSERT INTO home_names VALUES ('entity', 'light.hall', 'Hall', NULL)")
        history.listener("motion_light", "on_motion", "state_changed.binary_sensor.hall")
    note = owner_note(history.path)
    note.write_bytes(b"{}\n" + Heartbeat(1, now_us - HOUR, 0, now_us - 10 * MINUTE).line())
    async with DataSyncService(history.path) as data:
        up = await data.why_not("on_motion", at=AskedTime.moment(now_us - 20 * MINUTE))
        down = await data.why_not("on_motion", at=AskedTime.moment(now_us))
        why_up, why_down = (
            await data.why(entity="light.hall", at=AskedTime.moment(now_us - 20 * MINUTE)),
            await data.why(entity="light.hall", at=AskedTime.moment(now_us)),
        )
    assert [check.result for check in up.checks if check.name == "framework_up"] == ["yes"]
    assert down.reason == "framework_down"
    assert "wrote its last heartbeat at" in down.sentence
    assert "Hassette was not running at that time." not in why_up.missing
    assert "Hassette was not running at that time." in why_down.missing
