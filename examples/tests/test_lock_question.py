import pytest
from lock_question import LockQuestion

from hassette_core.testing import HomeUnderTest

LOCK, PHONE = "lock.front", "notify.mobile_app_alex"


@pytest.fixture
def door(home: HomeUnderTest) -> HomeUnderTest:
    home.set(LOCK, "locked", friendly_name="Front door")
    home.add_service(PHONE)
    home.add_app(LockQuestion, lock=LOCK, phone="mobile_app_alex")
    return home


def messages(home: HomeUnderTest) -> list[str]:
    return [call.data["message"] for call in home.calls(PHONE)]


def answer(home: HomeUnderTest, action: str) -> None:
    home.fire("mobile_app_notification_action", action=f"{action}:{LOCK}", tag=LOCK)


def ask(home: HomeUnderTest) -> None:
    home.set(LOCK, "unlocked")
    home.advance(minutes=10)


def test_a_door_that_stays_unlocked_leads_to_a_question_with_two_answers(door: HomeUnderTest) -> None:
    ask(door)

    assert messages(door) == ["Front door is unlocked"]
    data = door.calls(PHONE)[0].data["data"]
    assert data["tag"] == LOCK
    assert [action["title"] for action in data["actions"]] == ["Lock it", "Ask me later"]


def test_the_answer_locks_the_door_and_removes_the_question(door: HomeUnderTest) -> None:
    ask(door)
    answer(door, "lock_now")

    assert door.state(LOCK) == "locked"
    assert messages(door)[1:] == ["clear_notification"]


def test_the_other_answer_asks_again_half_an_hour_later(door: HomeUnderTest) -> None:
    ask(door)
    answer(door, "later")
    door.restart()

    door.advance(minutes=29)
    asked = len(messages(door))
    door.advance(minutes=1)

    assert len(messages(door)) == asked + 1
    door.assert_not_called("lock.lock")


def test_a_door_that_was_locked_meanwhile_leads_to_no_second_question(door: HomeUnderTest) -> None:
    ask(door)
    answer(door, "later")
    door.set(LOCK, "locked")

    door.advance(hours=1)

    assert messages(door) == ["Front door is unlocked", "clear_notification"]


def test_an_answer_to_another_question_is_ignored(door: HomeUnderTest) -> None:
    ask(door)
    door.fire("mobile_app_notification_action", action="lock_now:lock.back")
    door.fire("mobile_app_notification_action")

    door.assert_not_called("lock.lock")


def test_a_lock_that_does_not_react_leads_to_a_message(door: HomeUnderTest) -> None:
    door.expect_failures()
    ask(door)
    door.failures.deaf(LOCK, calls=1)

    answer(door, "lock_now")
    door.advance(seconds=20)

    assert messages(door)[1:] == ["Front door cannot be locked. Please look at it."]
    assert door.runs("lock_door")[0].failed


def test_a_lock_that_reports_an_error_leads_to_a_message(door: HomeUnderTest) -> None:
    door.expect_failures()
    ask(door)
    door.failures.refuse("lock.lock", message="The lock is jammed")

    answer(door, "lock_now")
    door.advance(seconds=20)

    assert messages(door)[1:] == ["Front door cannot be locked. Please look at it."]
