import pytest
from announcements import Announcements

from hassette_core.testing import HomeUnderTest

SPEAKER, VOICE = "media_player.kitchen", "tts.home"


@pytest.fixture
def kitchen(home: HomeUnderTest) -> HomeUnderTest:
    home.set(SPEAKER, "idle")
    home.set(VOICE, "unknown")
    home.add_app(Announcements, speaker=SPEAKER, voice=VOICE)
    return home


def announce(home: HomeUnderTest, message: str, **data: object) -> None:
    home.fire("announce", message=message, **data)


def spoken(home: HomeUnderTest) -> list[str]:
    return [call.data["message"] for call in home.calls("tts.speak")]


def test_messages_are_spoken_one_after_the_other(kitchen: HomeUnderTest) -> None:
    for message in ("Dinner is ready", "The washing machine is done", "It rains"):
        announce(kitchen, message)

    assert spoken(kitchen) == ["Dinner is ready"]
    kitchen.set(SPEAKER, "playing")
    kitchen.advance(seconds=20)
    assert spoken(kitchen) == ["Dinner is ready"]
    kitchen.set(SPEAKER, "idle")
    assert spoken(kitchen) == ["Dinner is ready", "The washing machine is done"]
    kitchen.set(SPEAKER, "playing")
    kitchen.set(SPEAKER, "idle")
    assert spoken(kitchen)[2:] == ["It rains"]


@pytest.mark.parametrize(("time", "expected"), [("21:59", 1), ("22:00", 0), ("03:00", 0), ("07:00", 1)])
def test_the_quiet_hours_are_quiet(kitchen: HomeUnderTest, time: str, expected: int) -> None:
    kitchen.advance_to(time)
    announce(kitchen, "The washing machine is done")

    assert len(spoken(kitchen)) == expected
    assert len(kitchen.not_runs("speak")) == 1 - expected


def test_an_urgent_message_is_spoken_at_night(kitchen: HomeUnderTest) -> None:
    kitchen.advance_to("03:00")
    announce(kitchen, "Water in the cellar", urgent=True)

    assert spoken(kitchen) == ["Water in the cellar"]


def test_another_app_can_announce_a_message(kitchen: HomeUnderTest) -> None:
    app = kitchen.app(Announcements)
    kitchen.run(lambda: app.bus.emit("announce", {"message": "Dinner is ready"}))

    assert spoken(kitchen) == ["Dinner is ready"]


def test_a_speaker_that_does_not_play_delays_the_next_message_only_briefly(kitchen: HomeUnderTest) -> None:
    kitchen.expect_failures()
    kitchen.set(SPEAKER, "unavailable")
    announce(kitchen, "Dinner is ready")
    announce(kitchen, "It rains")

    kitchen.advance(seconds=10)

    assert spoken(kitchen) == ["Dinner is ready", "It rains"]
    assert kitchen.runs("speak")[0].failed


def test_short_message_that_ends_before_the_service_answers_is_no_failure(kitchen: HomeUnderTest) -> None:
    def speak(_: object) -> None:
        for state in ("playing", "idle"):
            kitchen.simulated.core.change(SPEAKER, state)

    kitchen.add_service("tts.speak", speak)
    announce(kitchen, "Yes")
    announce(kitchen, "No")

    assert spoken(kitchen) == ["Yes", "No"]
    assert [run.failed for run in kitchen.runs("speak")] == [False, False]


def test_music_delays_the_next_message_by_the_longest_message_only(kitchen: HomeUnderTest) -> None:
    kitchen.set(SPEAKER, "playing")
    announce(kitchen, "Dinner is ready")
    announce(kitchen, "It rains")

    kitchen.advance(seconds=59)
    assert spoken(kitchen) == ["Dinner is ready"]
    kitchen.advance(seconds=1)
    assert spoken(kitchen) == ["Dinner is ready", "It rains"]
    assert not kitchen.runs("speak")[0].failed


def test_an_event_without_a_message_fails_and_the_next_one_is_spoken(kitchen: HomeUnderTest) -> None:
    kitchen.expect_failures()
    kitchen.fire("announce", text="Dinner is ready")
    announce(kitchen, "It rains")

    assert kitchen.runs("speak")[0].failed
    assert spoken(kitchen) == ["It rains"]
