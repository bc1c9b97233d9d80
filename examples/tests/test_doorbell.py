import pytest
from doorbell import Doorbell

from hassette_core.testing import HomeUnderTest

PHONE = "notify.mobile_app_alex"


@pytest.fixture
def door(home: HomeUnderTest) -> HomeUnderTest:
    home.add_service(PHONE)
    home.set("light.hall", "off")
    home.add_app(Doorbell, webhook_id="bell-4f1c", light="light.hall", phone="mobile_app_alex")
    return home


def ring(home: HomeUnderTest) -> None:
    home.fire_trigger("webhook", webhook_id="bell-4f1c")


def test_the_light_flashes_three_times_and_a_message_is_sent(door: HomeUnderTest) -> None:
    ring(door)
    door.advance(seconds=10)

    assert len(door.calls("light.toggle")) == 6
    assert door.state("light.hall") == "off"
    door.assert_called(PHONE, message="The doorbell rings", times=1)


def test_a_second_ring_while_the_light_flashes_has_no_effect(door: HomeUnderTest) -> None:
    ring(door)
    door.advance(seconds=2)
    ring(door)
    door.advance(seconds=10)

    assert len(door.calls(PHONE)) == 1
    assert door.not_runs("ring")[0].reason == "overlap"


def test_the_doorbell_works_after_a_restart_of_home_assistant(door: HomeUnderTest) -> None:
    door.restart_home_assistant()
    ring(door)

    door.assert_called(PHONE, times=1)
