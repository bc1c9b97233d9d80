import pytest
from presence import Presence

from hassette_core.testing import HomeUnderTest

ANN, PRESENCE = "person.ann", "input_select.ann_presence"


@pytest.fixture(autouse=True)
def ann(home: HomeUnderTest) -> None:
    home.set(ANN, "not_home")
    home.set(PRESENCE, "Away", options=["Just arrived", "Home", "Just left", "Away"])
    home.add_app(Presence, person=ANN, presence=PRESENCE)


def test_person_who_arrives_is_at_home_ten_minutes_later(home: HomeUnderTest) -> None:
    home.set(ANN, "home")
    assert home.state(PRESENCE) == "Just arrived"
    home.advance(minutes=9)
    assert home.state(PRESENCE) == "Just arrived"
    home.advance(minutes=1)
    assert home.state(PRESENCE) == "Home"


def test_person_who_leaves_is_away_ten_minutes_later(home: HomeUnderTest) -> None:
    home.set(ANN, "home")
    home.advance(minutes=10)
    home.set(ANN, "not_home")
    assert home.state(PRESENCE) == "Just left"
    home.set(ANN, "Office")
    home.advance(minutes=10)
    assert home.state(PRESENCE) == "Away"


def test_person_who_comes_back_at_once_has_not_just_arrived(home: HomeUnderTest) -> None:
    home.set(ANN, "home")
    home.advance(minutes=10)
    home.set(ANN, "not_home")
    home.advance(minutes=5)
    home.set(ANN, "home")
    assert home.state(PRESENCE) == "Home"
    home.advance(hours=1)
    assert home.state(PRESENCE) == "Home"


@pytest.mark.parametrize("place", ["unavailable", "unknown"])
def test_phone_without_a_place_does_not_move_the_person(home: HomeUnderTest, place: str) -> None:
    home.set(ANN, "home")
    home.advance(minutes=10)
    home.set(ANN, place)
    home.advance(hours=1)
    home.set(ANN, "home")
    assert home.state(PRESENCE) == "Home"


def test_timer_goes_on_after_a_restart(home: HomeUnderTest) -> None:
    home.set(ANN, "home")
    home.advance(minutes=6)
    home.restart()
    home.advance(minutes=3)
    assert home.state(PRESENCE) == "Just arrived"
    home.advance(minutes=1)
    assert home.state(PRESENCE) == "Home"


def test_arrival_during_a_lost_connection_is_noticed_afterwards(home: HomeUnderTest) -> None:
    home.run(lambda: home.simulated.drop_connections())
    home.set(ANN, "home")
    home.advance(minutes=1)
    assert home.state(PRESENCE) == "Just arrived"
