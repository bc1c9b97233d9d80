"""The order in which the listeners of one event start: by priority, and then by registration, across all apps."""

from collections.abc import Callable
from typing import Any

import pytest

from hassette_core.bus import AppBus
from hassette_core.errors import RegistrationError
from support.home import Home


class Order:
    """Handlers that note when they start."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def handler(self, name: str) -> Callable[..., Any]:
        async def handler() -> None:
            self.started.append(name)

        handler.__name__ = name
        return handler


class Everything:
    """A selection of all entities."""

    def matches(self, entity_id: str) -> bool:
        del entity_id
        return True

    def describe(self) -> str:
        return "everything"


@pytest.fixture
def order() -> Order:
    return Order()


async def test_listeners_of_a_change_start_by_priority_and_then_by_registration(home: Home, order: Order) -> None:
    other = AppBus(home.bus_service, "other", "one")
    home.bus.on_state_change(order.handler("glob"), "light.*")
    other.on_state_change(order.handler("low"), "light.a", priority=-1)
    home.bus.on_event(order.handler("event"), "state_changed")
    other.on_state_change(order.handler("id"), "light.a")
    home.bus.on_state_change(order.handler("selection"), Everything())
    home.bus.on_event(order.handler("first_event"), "*", priority=10)
    other.on_state_change(order.handler("high"), ["light.a", "*.b"], priority=5)
    home.bus.on_attribute_change(order.handler("attribute"), "light.a", "brightness", priority=5)
    home.change("light.a", "on", brightness=1)
    await home.records(8)
    assert order.started == ["first_event", "high", "attribute", "glob", "event", "id", "selection", "low"]


@pytest.mark.parametrize("selected", [False, True])
async def test_order_stays_when_listeners_end_and_others_are_added(home: Home, order: Order, selected: bool) -> None:
    if selected:
        home.bus.on_state_change(order.handler("selection"), Everything(), priority=-9)
    high = home.bus.on_state_change(order.handler("high"), "light.a", priority=1)
    home.bus.on_state_change(order.handler("normal"), "light.*")
    home.change("light.a", "on")
    high.cancel()
    home.bus.on_state_change(order.handler("highest"), "light.*", name="x", priority=2)
    home.bus.on_state_change(order.handler("low"), "light.a", priority=-1)
    home.change("light.a", "off")
    await home.records(7 if selected else 5)
    last = ["selection"] if selected else []
    assert order.started == ["high", "normal", *last, "highest", "normal", "low", *last]


async def test_listeners_of_service_calls_and_own_events_start_by_priority(home: Home, order: Order) -> None:
    for event, listen in {
        "call_service": lambda handler, priority: home.bus.on_call_service(handler, "light", priority=priority),
        "hassette_connection_lost": lambda handler, priority: home.bus.on_connection_lost(handler, priority=priority),
        "own": lambda handler, priority: home.bus.on_event(handler, "own", priority=priority),
    }.items():
        order.started.clear()
        for priority in (0, -5, 7):
            listen(order.handler(f"at_{priority}".replace("-", "minus_")), priority)
        home.fire(event, domain="light", service="turn_on")
        await home.settle()
        assert order.started == ["at_7", "at_0", "at_minus_5"]


async def test_priority_is_a_setting_of_the_registration(home: Home, order: Order) -> None:
    assert home.bus.on_event(order.handler("a"), "x", priority=3).registration.settings == (("priority", "3"),)
    assert home.bus.on_event(order.handler("b"), "x").registration.settings == ()


@pytest.mark.parametrize("priority", [1.5, "1", True, None, 10**7, -(10**7)])
async def test_priority_that_is_no_whole_number_is_an_error(home: Home, order: Order, priority: Any) -> None:
    with pytest.raises(RegistrationError, match="priority must be a whole number from -1_000_000 to 1_000_000, got"):
        home.bus.on_event(order.handler("a"), "x", priority=priority)
