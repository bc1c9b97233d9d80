"""A listener that can never match is an error at the registration, and the message contains the correction."""

import re
from typing import Any

import pytest

from hassette_core.conditions import above, state_is
from hassette_core.errors import RegistrationError
from support.home import Home
from support.records import nothing


def refused(home: Home, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> str:
    with pytest.raises(RegistrationError) as caught:
        getattr(home.bus, method)(nothing, *arguments, **options)
    assert home.bus_service.roster.entries() == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        *(
            (("light.turn_on",), {}, "domain must be the domain of services, such as 'light', got 'light.turn_on'"),
            (("light.turn_on",), {}, "; write domain='light', service='turn_on'"),
            (("Light",), {}, "got 'Light'; did you mean 'light'?"),
            ((["light", "media player"],), {}, "got 'media player'; did you mean 'media_player'?"),
            (("light", "light.turn_on"), {}, "service must be a service without its domain, such as 'turn_on', got"),
            (("light", ["turn_off", "Light.Turn_On"]), {}, "; write domain='light', service='turn_on'"),
            ((), {"service": "light.*"}, "; write domain='light', service='*'"),
            ((), {"service": "turn on"}, "; did you mean 'turn_on'?"),
            ((" ",), {}, "domain must be a string such as 'light'"),
        ),
    ],
)
async def test_service_call_that_home_assistant_never_makes(
    home: Home, arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    assert message in refused(home, "on_call_service", arguments, options)


@pytest.mark.parametrize(
    ("domain", "service"),
    [("li*", "turn_*"), (["light", "[ab]?"], None), ("python_script", "folder/name"), (None, ["turn_on", "*"])],
)
async def test_service_call_that_home_assistant_may_make_is_accepted(home: Home, domain: Any, service: Any) -> None:
    assert home.bus.on_call_service(nothing, domain, service).active


@pytest.mark.parametrize(
    "method", ["on_app_started", "on_app_failed", "on_app_stopped", "on_app_reloaded", "on_app_error"]
)
async def test_instance_in_place_of_an_app(home: Home, method: str) -> None:
    assert refused(home, method, (["a", "b.upstairs"],), {}) == (
        "app must be the key of an app, such as 'alarm', got 'b.upstairs'; write 'b', and for one instance"
        " where=lambda event: event.data[\"instance\"] == 'upstairs'"
    )


async def test_failures_of_the_app_itself_need_include_own(home: Home) -> None:
    message = refused(home, "on_app_error", ("app",), {})
    assert "app must be another app, got 'app', whose failures are left out; pass include_own=True" in message
    assert home.bus.on_app_error(nothing, "app", include_own=True).active
    assert home.bus.on_app_error(nothing, ["app", "other"]).active
    assert home.bus.on_app_error(nothing, "ap*").active


@pytest.mark.parametrize(
    ("event_type", "message"),
    [
        (
            "light.hall",
            "got the entity 'light.hall'; use on_state_change, or wait for state_is('light.hall', …). If an",
        ),
        ("scene.activated", "If an event really has this type, write the glob '[s]cene.activated'"),
        ("Tag_Scanned", "did you mean 'tag_scanned'? If an event really has this type, write the glob '[T]ag_Scanned'"),
        ("binary_sensor.*", "got the entity 'binary_sensor.*'"),
        ("state-changed", "got 'state-changed'; did you mean 'state_changed'?"),
        ("State Changed", "did you mean 'state_changed'?"),
        ("CALL_SERVICE", "did you mean 'call_service'?"),
        ("hassette_app_eror", "did you mean 'hassette_app_error'?"),
        ("hassette_homeassistant_start", "did you mean 'hassette_homeassistant_started'?"),
        ("Hassette_App_Failed", "did you mean 'hassette_app_failed'?"),
        (["a", "b"], "got ['a', 'b']; register one listener for each type, or use a glob"),
        (("a",), "register one listener for each type"),
    ],
)
async def test_misspelt_event_type(home: Home, event_type: Any, message: str) -> None:
    assert message in refused(home, "on_event", (event_type,), {})
    with pytest.raises(RegistrationError, match=re.escape(message)):
        await home.bus.wait_for(event_type)


@pytest.mark.parametrize(
    "event_type",
    [
        *(
            "timer.finished",
            "ios.action_fired",
            "image_processing.found_plate",
            "My Event",
            "x-y",
            "state_changed",
            "*",
        ),
        *(
            "hassette_*",
            "hassette_storage_damaged",
            "hassette_app_reload_failed",
            "lights.off",
            "light",
            "light.Hall/x",
        ),
    ],
)
async def test_event_that_something_may_fire_is_accepted(home: Home, event_type: str) -> None:
    assert home.bus.on_event(nothing, event_type).active


@pytest.mark.parametrize(
    ("entity_id", "message"),
    [
        ("light._hall", "no part of an entity id starts with an underscore"),
        ("light._*", "starts with an underscore"),
        (["light.a", "_light.*"], "got '_light.*'"),
        ("media__player.tv", "no domain has two underscores in a row"),
        ("light.[f-a]*", "a range such as [a-f] must start with the smaller character"),
        (f"light.{'a' * 250}", "an entity id has at most 255 characters"),
        ("light.Hall", "did you mean 'light.hall'?"),
        ("light", "did you mean 'light.*'?"),
        ("light.*.x", "did you mean 'light.*_x'?"),
    ],
)
async def test_entity_that_cannot_exist(home: Home, entity_id: Any, message: str) -> None:
    for method, more in (("on_state_change", ()), ("on_attribute_change", ("brightness",))):
        assert message in refused(home, method, (entity_id, *more), {})
    with pytest.raises(RegistrationError, match=re.escape(message)):
        state_is(entity_id, "on")


@pytest.mark.parametrize("entity_id", ["light.a__b", "*.*_x", "light.[a-f][!0-9]?", "light.?*", f"light.{'a' * 249}"])
async def test_entity_that_may_exist_is_accepted(home: Home, entity_id: str) -> None:
    assert home.bus.on_state_change(nothing, entity_id).active


@pytest.mark.parametrize(
    ("entity_id", "value", "meant"),
    [
        *(("light.a", "On", "on"), ("light.a", ["off", "ON"], "on"), ("switch.*", "true", "on")),
        *((["light.a", "binary_sensor.b"], " off", "off"), ("input_boolean.x", "Unavailable", "unavailable")),
    ],
)
async def test_misspelt_state_of_an_entity_that_is_on_or_off(
    home: Home, entity_id: Any, value: Any, meant: str
) -> None:
    for option in ("changed_to", "changed_from"):
        message = refused(home, "on_state_change", (entity_id,), {option: value})
        assert message.startswith(f"{option} must be a state of ")
        assert message.endswith(f"; did you mean {meant!r}?")
    with pytest.raises(RegistrationError, match="values must be a state of "):
        state_is(entity_id, value)


@pytest.mark.parametrize("entity_id", ["sensor.mqtt", ["light.a", "sensor.b"], "*.a"])
async def test_any_state_of_other_entities_is_accepted(home: Home, entity_id: Any) -> None:
    assert home.bus.on_state_change(nothing, entity_id, changed_to=["On", "TRUE"]).active
    assert home.bus.on_attribute_change(nothing, "light.a", "mode", changed_to="On").active


@pytest.mark.parametrize("attribute", ["", " ", " brightness", "brightness ", "bright*", ["a"], None])
async def test_attribute_that_cannot_exist(home: Home, attribute: Any) -> None:
    message = f"attribute must be the name of one attribute, such as 'brightness', got {attribute!r}"
    assert refused(home, "on_attribute_change", ("light.a", attribute), {}) == message
    if attribute is not None:
        with pytest.raises(RegistrationError, match=re.escape(message)):
            state_is("light.a", "on", attribute=attribute)


@pytest.mark.parametrize(
    ("method", "arguments", "value"),
    [
        *(("on_state_change", ("light.a",), "on"), ("on_state_change", ("sensor.*",), ["5"])),
        *(("on_attribute_change", ("light.a", "level"), 5), ("on_attribute_change", ("light.a", "level"), True)),
    ],
)
async def test_change_from_a_value_to_the_same_value(
    home: Home, method: str, arguments: tuple[Any, ...], value: Any
) -> None:
    options = {"changed_from": value, "changed_to": value}
    assert "changed_to must accept another value than changed_from" in refused(home, method, arguments, options)


@pytest.mark.parametrize(
    "options",
    [
        {"changed_from": "on", "changed_to": "on", "include_attributes": True},
        {"changed_from": "on", "changed_to": "on", "immediate": True},
        {"changed_from": ["on", "off"], "changed_to": ["on", "off"]},
        {"changed_from": "on", "changed_to": lambda state: state == "on"},
        {"changed_to": "on", "duration": 5, "once": True},
    ],
)
async def test_options_that_can_match_together_are_accepted(home: Home, options: dict[str, Any]) -> None:
    assert home.bus.on_state_change(nothing, "light.a", **options).active


def test_number_that_is_compared_with_itself() -> None:
    with pytest.raises(
        RegistrationError, match=r"limit must be another entity than 'sensor\.a': a number is never above"
    ):
        above("sensor.a", "sensor.a")
    assert above("sensor.a", "sensor.a", attribute="peak").reads == ("sensor.a", "sensor.a")
