"""The methods of the API that save an app from writing the service, and those for any other request."""

import asyncio
from typing import Any

import pytest

from hassette_core.errors import CallFailedError, NoAnswerError
from hassette_core.link.transport import HttpAnswer
from support.scripted_home import RefusedCommandError, ScriptedApi


class Lights:
    """A selection of all lights."""

    def matches(self, entity_id: str) -> bool:
        return entity_id.startswith("light.")

    def describe(self) -> str:
        return "all lights"


class Nothing(Lights):
    """A selection without entities."""

    def matches(self, entity_id: str) -> bool:
        return False


def calls(home: ScriptedApi) -> list[tuple[str, Any, Any]]:
    """Return service, target and data of each service call that the home received."""
    return [
        (f"{message['domain']}.{message['service']}", message.get("target"), message.get("service_data"))
        for message in home.home.sent("call_service")
    ]


async def test_service_can_be_one_string(home: ScriptedApi) -> None:
    await home.api.call_service("light.turn_on", target="light.hall", service="x")
    assert calls(home) == [("light.turn_on", {"entity_id": "light.hall"}, {"service": "x"})]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("light",), "must have a domain and a name, such as 'light.turn_on', got 'light'$"),
        (("light/turn_on",), "got 'light/turn_on'; write 'light.turn_on'"),
        (("light.turn.on",), "got 'light.turn.on'$"),
        ((".turn_on",), "got '.turn_on'$"),
        (("light.turn_on", "light.hall"), "must be two names, .*; pass target='light.hall'"),
        (("light", "light.turn_on"), "must be two names, .*; write 'light.turn_on' alone"),
    ],
)
async def test_service_that_is_not_a_name_is_refused_with_the_right_form(
    home: ScriptedApi, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await home.api.call_service(*names)
    assert calls(home) == []


@pytest.mark.parametrize(
    ("target", "service", "sent"),
    [
        ("light.hall", "light.turn_on", {"entity_id": "light.hall"}),
        (["light.hall", "light.porch"], "light.turn_on", {"entity_id": ["light.hall", "light.porch"]}),
        (["light.hall", "switch.a"], "homeassistant.turn_on", {"entity_id": ["light.hall", "switch.a"]}),
        ("group.all", "homeassistant.turn_on", {"entity_id": "group.all"}),
        ("scene.evening", "scene.turn_on", {"entity_id": "scene.evening"}),
        ({"area_id": "hall"}, "homeassistant.turn_on", {"area_id": "hall"}),
        (Lights(), "light.turn_on", {"entity_id": ["light.hall", "light.porch"]}),
    ],
)
async def test_turn_on_calls_the_service_of_the_domain(
    home: ScriptedApi, target: Any, service: str, sent: dict[str, Any]
) -> None:
    await home.api.turn_on(target, brightness=9)
    assert calls(home) == [(service, sent, {"brightness": 9})]


async def test_turn_off_and_toggle_take_the_options_of_a_call(home: ScriptedApi) -> None:
    assert (await home.api.turn_off("light.hall", expect="off")).confirmed_after_s == 0
    await home.api.toggle("switch.a", data={"transition": 1})
    assert [service for service, *_ in calls(home)] == ["light.turn_off", "switch.toggle"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("cover.garage", "got 'cover.garage'; call cover.open_cover or cover.close_cover"),
        (["light.hall", "sensor.a"], "got 'sensor.a'; it only has a state"),
        ("lock.door", "call lock.unlock or lock.lock"),
        ("all", "must be entity ids, such as 'light.hall', got 'all'"),
        (Nothing(), "target must contain an entity, got all lights"),
    ],
)
async def test_target_that_cannot_be_turned_on_is_refused(home: ScriptedApi, target: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await home.api.turn_on(target)
    assert calls(home) == []


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, [("notify.notify", None, {"message": "x"})]),
        ({"title": "T"}, [("notify.notify", None, {"message": "x", "title": "T"})]),
        ({"target": "mobile_app_a"}, [("notify.mobile_app_a", None, {"message": "x"})]),
        (
            {"target": "notify.mobile_app_a", "data": {"tag": "t"}},
            [("notify.mobile_app_a", None, {"message": "x", "data": {"tag": "t"}})],
        ),
        (
            {"target": "notify.display"},
            [("notify.send_message", {"entity_id": "notify.display"}, {"message": "x"})],
        ),
        ({"target": "display"}, [("notify.send_message", {"entity_id": "notify.display"}, {"message": "x"})]),
        (
            {"target": "persistent_notification", "notification_id": "n"},
            [("persistent_notification.create", None, {"message": "x", "notification_id": "n"})],
        ),
        ({"target": ["a", "b"]}, [("notify.a", None, {"message": "x"}), ("notify.b", None, {"message": "x"})]),
    ],
)
async def test_notify_finds_the_service_of_its_target(
    home: ScriptedApi, options: dict[str, Any], sent: list[Any]
) -> None:
    await home.api.notify("x", **options)
    assert calls(home) == sent


async def test_data_for_a_notify_entity_is_refused(home: ScriptedApi) -> None:
    with pytest.raises(ValueError, match="data must be None for the notify entity"):
        await home.api.notify("x", target="display", data={"tag": "t"})


async def test_any_command_can_be_sent_and_a_change_is_recorded(home: ScriptedApi) -> None:
    home.home.answers["repairs/list_issues"] = lambda message: {"issues": [message["domain"]]}
    home.home.answers["tag/create"] = lambda message: {"id": message["action"]}
    assert await home.api.command("repairs/list_issues", domain="hall") == {"issues": ["hall"]}
    assert home.recorded == []
    # Home Assistant's fields may have the names of our parameters.
    assert await home.api.command("tag/create", action="a", command="c", fields=1, password="x") == {"id": "a"}
    (recorded,) = home.recorded
    assert (recorded.domain, recorded.service) == ("api", "command")
    assert recorded.data == '{"type":"tag/create","action":"a","command":"c","fields":1,"password":"•••"}'


async def test_refused_command_has_its_code(home: ScriptedApi) -> None:
    with pytest.raises(CallFailedError) as failed:
        await home.api.command("not/there")
    assert failed.value.code == "unknown_command"
    assert home.recorded[0].error is not None


@pytest.mark.parametrize("command", ["", "subscribe_events", "unsubscribe_events", "mqtt/subscribe"])
async def test_command_that_subscribes_is_refused(home: ScriptedApi, command: str) -> None:
    with pytest.raises(ValueError, match=r"must be a command with one answer, .*; self.bus can subscribe"):
        await home.api.command(command)


async def test_any_rest_request_can_be_sent_and_a_change_is_recorded(home: ScriptedApi) -> None:
    home.home.http["GET", "/api/error_log"] = lambda body: HttpAnswer(200, "quiet")
    home.home.http["GET", "/api/null"] = lambda body: HttpAnswer(200, "null")
    home.home.http["POST", "/api/events/e"] = lambda body: HttpAnswer(200, f'{{"n": {body["n"]}}}')
    assert await home.api.rest("GET", "/api/error_log") == "quiet"
    assert await home.api.rest("GET", "/api/null") is None
    assert home.recorded == []
    assert await home.api.rest("POST", "/api/events/e", {"n": 1}) == {"n": 1}
    assert home.recorded[0].data == '{"method":"POST","path":"/api/events/e","body":{"n":1}}'
    with pytest.raises(CallFailedError, match="Not found") as failed:
        await home.api.rest("DELETE", "/api/states/a.b")
    assert failed.value.code == "404"
    with pytest.raises(ValueError, match="path must start with /api/, got 'api/states'"):
        await home.api.rest("GET", "api/states")


async def test_written_states_and_fired_events_are_recorded(home: ScriptedApi) -> None:
    written = '{"entity_id":"sensor.a","state":"1","attributes":{},"last_changed":"2026-06-01T10:00:00+00:00",'
    written += '"last_updated":"2026-06-01T10:00:00+00:00","context":{"id":"W","parent_id":null,"user_id":null}}'
    home.home.http["POST", "/api/states/sensor.a"] = lambda body: HttpAnswer(201, written)
    context_id = await home.api.fire_event("done", {"n": 1})
    await home.api.set_state("sensor.a", 1)
    assert await home.api.remove_state("sensor.b") is False
    assert [(f"{call.domain}.{call.service}", call.target, call.data, call.context_id) for call in home.recorded] == [
        ("api.fire_event", "", '{"event_type":"done","event_data":{"n":1}}', context_id),
        ("api.set_state", '{"entity_id":"sensor.a"}', '{"state":"1","attributes":{}}', "W"),
        ("api.remove_state", '{"entity_id":"sensor.b"}', "", None),
    ]


async def render(home: ScriptedApi, *events: Any) -> str:
    """Render a template. The home answers with these events."""

    def subscribe(message: dict[str, Any]) -> Any:
        for event in events:
            home.home.send_event(message["id"], event)

    home.home.answers["render_template"] = subscribe
    return await home.api.render_template("{{ x }}", {"x": 1}, timeout=2)


async def test_template_is_rendered_once(home: ScriptedApi) -> None:
    warning = {"error": "'y' is undefined", "level": "WARNING"}
    assert await render(home, warning, {"result": 21.5, "listeners": {}}, {"result": "later"}) == "21.5"
    (sent,) = home.home.sent("render_template")
    assert {**sent, "id": 0} == {
        "id": 0,
        "type": "render_template",
        "template": "{{ x }}",
        "variables": {"x": 1},
        "timeout": 2,
        "report_errors": True,
    }
    assert [message["subscription"] for message in home.home.sent("unsubscribe_events")] == [sent["id"]]
    assert home.recorded == []


async def test_template_with_an_error_raises_home_assistants_message(home: ScriptedApi) -> None:
    with pytest.raises(CallFailedError, match="TypeError: no"):
        await render(home, {"error": "TypeError: no", "level": "ERROR"})

    def refuse(message: dict[str, Any]) -> Any:
        raise RefusedCommandError("template_error", "unexpected '}'")

    home.home.answers["render_template"] = refuse
    with pytest.raises(CallFailedError, match="unexpected '}'") as failed:
        await home.api.render_template("{{ } }}")
    assert failed.value.code == "template_error"


async def test_template_without_a_result_ends_at_its_timeout(home: ScriptedApi) -> None:
    home.home.answers["render_template"] = lambda message: None
    task = asyncio.create_task(home.api.render_template("{{ x }}", timeout=3))
    await home.settle()
    await home.pass_time(4)
    with pytest.raises(NoAnswerError):
        await task
