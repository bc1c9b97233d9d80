import pytest
from energy_limiter import EnergyLimiter

from hassette_core.testing import HomeUnderTest

POWER = "sensor.power"
HEATER, CHARGER, BOILER = LOADS = ["switch.heater", "switch.charger", "switch.boiler"]


@pytest.fixture
def loads(home: HomeUnderTest) -> HomeUnderTest:
    home.set(POWER, 3000, unit_of_measurement="W")
    for load in LOADS:
        home.set(load, "on")
    home.add_app(EnergyLimiter, power=POWER, limit=5000, resume_below=2500, loads=LOADS)
    return home


def states(home: HomeUnderTest) -> list[str | None]:
    return [home.state(load) for load in LOADS]


def test_loads_go_off_in_their_order_until_the_power_is_below_the_limit(loads: HomeUnderTest) -> None:
    loads.set(POWER, 7000)
    loads.advance(seconds=30)
    assert states(loads) == ["off", "on", "on"]
    loads.advance(seconds=30)
    assert states(loads) == ["off", "off", "on"]
    loads.set(POWER, 4000)
    loads.advance(minutes=10)
    assert states(loads) == ["off", "off", "on"]


def test_loads_go_on_again_one_by_one_the_most_important_first(loads: HomeUnderTest) -> None:
    loads.set(POWER, 7000)
    loads.advance(minutes=1)
    loads.set(POWER, 2000)

    loads.advance(minutes=5)
    assert states(loads) == ["off", "on", "on"]
    loads.advance(minutes=5)
    assert states(loads) == ["on", "on", "on"]


def test_a_load_that_a_person_turned_off_stays_off(loads: HomeUnderTest) -> None:
    loads.call("switch.turn_off", HEATER)
    loads.set(POWER, 7000)
    loads.advance(seconds=30)
    assert states(loads) == ["off", "off", "on"]

    loads.set(POWER, 2000)
    loads.advance(hours=1)

    assert states(loads) == ["off", "on", "on"]


def test_a_load_that_does_not_react_is_asked_twice_and_then_the_next_one_goes_off(loads: HomeUnderTest) -> None:
    loads.failures.deaf(HEATER)
    loads.set(POWER, 7000)

    loads.advance(seconds=45)

    loads.assert_called("switch.turn_off", HEATER, times=2)
    assert states(loads) == ["on", "off", "on"]


def test_a_restart_does_not_forget_which_loads_are_off(loads: HomeUnderTest) -> None:
    loads.set(POWER, 7000)
    loads.advance(seconds=30)
    loads.restart()
    loads.set(POWER, 2000)

    loads.advance(minutes=5)

    assert states(loads) == ["on", "on", "on"]


@pytest.mark.parametrize("power", ["unavailable", "unknown"])
def test_nothing_changes_while_the_power_is_unknown(loads: HomeUnderTest, power: str) -> None:
    loads.set(POWER, power)

    loads.advance(hours=1)

    loads.assert_not_called()


def test_a_load_that_is_unavailable_or_missing_is_left_out(loads: HomeUnderTest) -> None:
    loads.set(HEATER, "unavailable")
    loads.remove(CHARGER)
    loads.set(POWER, 7000)

    loads.advance(seconds=30)

    assert loads.state(BOILER) == "off"


def test_a_load_that_does_not_turn_on_does_not_keep_the_others_off(loads: HomeUnderTest) -> None:
    loads.expect_failures()
    loads.set(POWER, 7000)
    loads.advance(minutes=1)
    loads.failures.deaf(CHARGER, calls=2)
    loads.set(POWER, 2000)

    loads.advance(minutes=11)
    assert states(loads) == ["on", "off", "on"]
    loads.advance(minutes=5)
    assert states(loads) == ["on", "on", "on"]


def test_a_load_that_a_person_turns_on_meanwhile_is_turned_off_again(loads: HomeUnderTest) -> None:
    loads.set(POWER, 7000)
    loads.advance(seconds=30)
    loads.call("switch.turn_on", HEATER)
    loads.advance(seconds=30)
    assert states(loads) == ["off", "on", "on"]

    loads.set(POWER, 2000)
    loads.advance(minutes=5)

    assert states(loads) == ["on", "on", "on"]
    loads.assert_called("switch.turn_on", HEATER, times=1)
