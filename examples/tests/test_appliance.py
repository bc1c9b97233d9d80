import pytest
from appliance import Appliance
from appliance_sync import ApplianceSync

from hassette_core.testing import HomeUnderTest

POWER, DOOR, NOTIFY = "sensor.washer_power", "binary_sensor.washer_door", "notify.mobile_app_alex"


@pytest.fixture(params=[Appliance, ApplianceSync])
def laundry(home: HomeUnderTest, request: pytest.FixtureRequest) -> HomeUnderTest:
    home.set(POWER, 1, unit_of_measurement="W")
    home.set(DOOR, "off")
    home.add_service(NOTIFY)
    home.add_app(request.param, power=POWER, door=DOOR, notify="mobile_app_alex")
    return home


def run_cycle(home: HomeUnderTest) -> None:
    for watts in (150, 2000, 80, 3, 120, 400):  # the machine pauses for a minute in each cycle
        home.set(POWER, watts)
        home.advance(minutes=1)
    home.set(POWER, 2)


def test_message_is_sent_three_minutes_after_the_end(laundry: HomeUnderTest) -> None:
    run_cycle(laundry)
    laundry.advance(minutes=2)
    laundry.assert_not_called()

    laundry.advance(minutes=1)
    laundry.assert_called(NOTIFY, message="The washing machine is done after 9 min", times=1)


def test_power_that_changes_after_the_end_leads_to_one_message(laundry: HomeUnderTest) -> None:
    run_cycle(laundry)
    for watts in (1, 2, 1, 2, 1, 2, 1, 2):
        laundry.set(POWER, watts)
        laundry.advance(minutes=1)

    assert len(laundry.runs("done")) == 1


def test_reminders_end_when_the_door_is_opened(laundry: HomeUnderTest) -> None:
    run_cycle(laundry)
    laundry.advance(minutes=3 + 60)
    laundry.assert_called(NOTIFY, message="The washing machine is waiting to be emptied", times=2)

    laundry.set(DOOR, "on")
    laundry.advance(hours=2)
    assert len(laundry.runs("remind")) == 2


def test_cycle_that_ends_during_a_restart_is_reported(laundry: HomeUnderTest) -> None:
    run_cycle(laundry)
    laundry.restart()
    laundry.advance(minutes=3)

    laundry.assert_called(NOTIFY, message="The washing machine is done after 9 min", times=1)


def test_unavailable_sensor_neither_starts_nor_ends_a_cycle(laundry: HomeUnderTest) -> None:
    laundry.set(POWER, "unavailable")
    laundry.set(POWER, 300)
    laundry.set(POWER, "unavailable")
    laundry.advance(minutes=10)
    laundry.assert_not_called()

    laundry.set(POWER, 2)
    laundry.advance(minutes=3)
    assert len(laundry.runs("done")) == 1
