"""The methods of the API that save an app from writing the service, and those for any other request."""

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hassette_core.errors import CallFailedError, HomeUnknownError, NoAnswerError
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
        ({"target": "3d_printer"}, [("notify.3d_printer", None, {"message": "x"})]),
    ],
)
async def test_notify_finds_the_service_of_its_target(
    home: ScriptedApi, options: dict[str, Any], sent: list[Any]
) -> None:
    await home.api.notify("x", **options)
    assert calls(home) == sent


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": []}, r"target must contain at least one notify service, got \[\]"),
        ({"target": ""}, "target must be a notify service or entity, such as 'mobile_app_alex', .*, got ''"),
        ({"target": "light.hall"}, "target must be a notify service or entity, .*, got 'light.hall'"),
        ({"target": ["phone", None]}, "target must be a notify service or entity, .*, got None"),
        (
            {"target": {"entity_id": "notify.display"}},
            "target must be a notify service or entity, .*, got {'entity_id'",
        ),
        ({"data": []}, r"data must be a mapping, such as {'name': 'value'}, got \[\]"),
    ],
)
async def test_notification_without_a_receiver_or_with_wrong_data_is_refused(
    home: ScriptedApi, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        await home.api.notify("x", **options)
    assert calls(home) == []


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


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        ("render_template", "self.api.render_template"),
        ("history/stream", "self.api.get_history"),
        ("logbook/event_stream", "self.api.get_logbook"),
        ("system_health/info", "self.api.rest"),
        ("weather/subscribe_forecast", "self.bus can subscribe"),
        ("calendar/event/subscribe", "self.bus can subscribe"),
        ("template/start_preview", "self.bus can subscribe"),
        (None, "self.bus can subscribe"),
    ],
)
async def test_command_with_several_answers_is_refused_with_a_replacement(
    home: ScriptedApi, command: Any, instead: str
) -> None:
    with pytest.raises(ValueError, match=f"must be a command with one answer, got {command!r}; (use )?{instead}"):
        await home.api.command(command)
    assert home.home.sent(str(command)) == []


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


class Chosen:
    """A selection that a test has made."""

    def __init__(self, *entity_ids: str) -> None:
        self.entity_ids = entity_ids

    def matches(self, entity_id: str) -> bool:
        return entity_id in self.entity_ids

    def describe(self) -> str:
        return "chosen lights"


class Unread(Chosen):
    """A selection that waits for the registries."""

    def check_known(self) -> None:
        raise HomeUnknownError


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (Chosen("light.porch", "light.hall"), ["light.hall", "light.porch"]),
        ([Chosen("light.porch"), Chosen("light.hall", "light.porch")], ["light.porch", "light.hall"]),
        (("light.far", Chosen("light.hall")), ["light.far", "light.hall"]),
        ({"entity_id": Chosen("light.hall")}, ["light.hall"]),
        ({"entity_id": ["light.far", Chosen("light.hall")], "area_id": "x"}, ["light.far", "light.hall"]),
        ("light.hall, light.porch", "light.hall, light.porch"),
        ("all", "all"),
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
    ],
)
async def test_target_may_contain_ids_and_selections(home: ScriptedApi, target: Any, sent: Any) -> None:
    await home.api.call_service("light", "turn_on", target=target)
    assert home.home.sent("call_service")[0]["target"]["entity_id"] == sent


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([], r"target must contain at least one entity, got \[\]"),
        ((), r"target must contain at least one entity, got \(\)"),
        ({}, r"target must contain an entity, a device or an area, got {}"),
        ({"entity_id": []}, r"target\['entity_id'\] must contain at least one entity, got \[\]"),
        ({"entity_id": None}, r"target\['entity_id'\] must be an entity id, .*, got None"),
        ({"entity_id": "Light.Hall"}, r"target\['entity_id'\] must .* got 'Light.Hall'; did you mean 'light.hall'\?"),
        ({"area_id": []}, r"target\['area_id'\] must be an id, such as 'hall', or several ids, got \[\]"),
        ({"area_id": ""}, r"target\['area_id'\] must be an id, such as 'hall', or several ids, got ''"),
        ({"label_id": ["a", None]}, r"target\['label_id'\] must be .*, got \['a', None\]"),
        ({"light.hall": "on"}, "target must have only the keys entity_id, device_id, area_id, .*, got 'light.hall'"),
        (3, "target must be an entity id, a selection, several of these, or a table such as .*, got 3"),
        ([None], "target must be an entity id or a glob, got None"),
        ([["light.hall"]], r"target must be an entity id or a glob, got \['light.hall'\]"),
        ("Light.Hall", "got 'Light.Hall'; did you mean 'light.hall'?"),
        ("light hall", "got 'light hall'; did you mean 'light.hall'?"),
        ("", "target must consist of lower case letters, .* such as 'light.hall', got ''$"),
        ("hall", "target must consist of lower case letters, .* such as 'light.hall', got 'hall'$"),
        ("light.hall,", "target must consist of lower case letters, .* got ''$"),
        ("light.*", r"target must be the id of one entity, got the glob 'light.\*'"),
        (Chosen("light.gone"), "target must contain an entity, got chosen lights, which are no entities now"),
        ([Chosen("light.hall"), Chosen()], "target must contain an entity, got chosen lights"),
    ],
)
async def test_target_without_an_entity_or_with_a_wrong_id_is_refused(
    home: ScriptedApi, target: Any, message: str
) -> None:
    for call in (home.api.call_service("light.turn_on", target=target), home.api.turn_on(target)):
        with pytest.raises((TypeError, ValueError), match=message):
            await call
    assert home.home.sent("call_service") == []


async def test_entity_in_both_target_and_field_is_refused(home: ScriptedApi) -> None:
    with pytest.raises(TypeError, match="entity_id must be given in target or as a field, got both"):
        await home.api.turn_on("light.hall", entity_id="light.porch")
    await home.api.call_service("light.turn_on", target={"area_id": {"hall"}}, entity_id="light.porch")
    assert calls(home) == [("light.turn_on", {"area_id": ["hall"]}, {"entity_id": "light.porch"})]


async def test_target_none_of_turn_on_is_refused(home: ScriptedApi) -> None:
    with pytest.raises(TypeError, match=r"target must be an entity id, a selection, .* got None"):
        await home.api.turn_on(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [Unread("light.hall"), [Unread("light.hall")], {"entity_id": Unread("light.hall")}])
async def test_selection_before_the_registries_are_read_is_refused_with_this_reason(
    home: ScriptedApi, target: Any
) -> None:
    with pytest.raises(HomeUnknownError, match="not known yet"):
        await home.api.call_service("light.turn_on", target=target)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"brightness": math.nan}, r"service_data\['brightness'\] must be a finite number, got nan"),
        ({"a": {"b": [1, math.inf]}}, r"service_data\['a'\]\['b'\]\[1\] must be a finite number, got inf"),
        ({"colors": {1, 2}}, r"service_data\['colors'\] must be a text, .* got {1, 2}; write list\(…\)"),
        ({"when": datetime(2026, 1, 1, tzinfo=UTC)}, r"service_data\['when'\] must be a text, .* write str\(…\) of it"),
        ({"a": "\ud800"}, r"service_data\['a'\] must be a text without half of a surrogate pair"),
        ({"a": ENDLESS}, r"service_data\['a'\]\[0\] must not contain itself"),
        ({(1, 2): 3}, r"service_data must have texts as keys, got \(1, 2\)"),
        (["x"], r"data must be a mapping, such as {'name': 'value'}, got \['x'\]"),
        ("text", "data must be a mapping, .* got 'text'"),
    ],
)
async def test_wrong_data_is_refused_by_its_name(home: ScriptedApi, data: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        await home.api.call_service("light", "turn_on", data=data)
    if isinstance(data, dict):
        with pytest.raises((TypeError, ValueError), match=message.replace("service_data", "event_data")):
            await home.api.fire_event("e", data)
    assert home.home.sent("call_service") == home.home.sent("fire_event") == []
    assert all(call.error and "must " in call.error for call in home.recorded)


async def test_wrong_values_of_other_requests_are_refused_by_their_name(home: ScriptedApi) -> None:
    with pytest.raises(TypeError, match=r"data must be a mapping, .* got \[1\]"):
        await home.api.fire_event("e", [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"attributes must be a mapping, .* got 'x'"):
        await home.api.set_state("sensor.a", 1, "x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"body\['attributes'\]\['a'\] must be a finite number, got nan"):
        await home.api.set_state("sensor.a", 1, {"a": math.nan})
    with pytest.raises(ValueError, match=r"body\[0\] must be a finite number, got inf"):
        await home.api.rest("POST", "/api/events/e", [math.inf])
    with pytest.raises(TypeError, match="variables must be a mapping"):
        await home.api.render_template("{{ 1 }}", ["a"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="domain and service must be texts, such as 'light', 'turn_on', got None"):
        await home.api.call_service(None, "turn_on")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="event_type must be a text such as 'my_event', got ''"):
        await home.api.fire_event("")
    assert home.home.requests == []


@pytest.mark.parametrize(
    ("entity_id", "state", "message"),
    [
        ("sensor.New", "1", "entity_id must .* got 'sensor.New'; did you mean 'sensor.new'?"),
        ("new", "1", "entity_id must .* such as 'light.hall', got 'new'$"),
        ("sensor.new", None, "state must be a text or a number, got None; write 'unknown'"),
        ("sensor.new", True, "state must be a text or a number, got True; write 'on'"),
        ("sensor.new", ["1"], r"state must be a text or a number, got \['1'\]; write str\(…\) of it"),
        ("sensor.new", math.nan, "state must be a finite number, got nan"),
    ],
)
async def test_state_that_would_be_stored_as_another_one_is_refused(
    home: ScriptedApi, entity_id: Any, state: Any, message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        await home.api.set_state(entity_id, state)
    assert home.home.requests == []


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        (None, "/api/config", "method must be one of GET, POST, PUT, PATCH, DELETE, got None"),
        ("HEAD", "/api/config", "method must be one of GET, .*, got 'HEAD'"),
        ("GET", 5, "path must start with /api/, without the parts . and .., got 5"),
        ("GET", "/api/../auth/token", "path must start with /api/, without the parts . and .., got '/api/../auth"),
        ("GET", "/api/states/%2e%2E/webhook/x", "path must start with /api/, without the parts . and .., got"),
        ("GET", "/api/states/..", "path must start with /api/, without the parts . and .., got"),
    ],
)
async def test_request_that_would_be_sent_as_another_one_is_refused(
    home: ScriptedApi, method: Any, path: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await home.api.rest(method, path)
    assert home.home.requests == []


@pytest.mark.parametrize("field", ["id", "type", "timeout_s"])
async def test_field_that_hassette_sets_itself_is_refused(home: ScriptedApi, field: str) -> None:
    with pytest.raises(ValueError, match=f"fields must not contain {field}, which Hassette sets itself"):
        await home.api.command("get_config", **{field: 1})


async def test_past_of_a_selection_is_fetched(home: ScriptedApi) -> None:
    home.home.answers["history/history_during_period"] = lambda message: {}
    home.home.answers["logbook/get_events"] = lambda message: []
    home.home.answers["recorder/statistics_during_period"] = lambda message: {}
    lights = Chosen("light.porch", "light.hall")
    day = timedelta(days=1)
    assert list(await home.api.get_history([lights, "sensor.a"], day)) == ["light.hall", "light.porch", "sensor.a"]
    assert list(await home.api.get_statistics(lights, day)) == ["light.hall", "light.porch"]
    assert "custom:energy" in await home.api.get_statistics(["custom:energy", lights], day)
    await home.api.get_logbook(day, entities=lights)
    assert home.home.sent("logbook/get_events")[0]["entity_ids"] == ["light.hall", "light.porch"]
    for fetch in (home.api.get_history, home.api.get_statistics):
        with pytest.raises(HomeUnknownError):
            await fetch(Unread(), day)
        with pytest.raises((TypeError, ValueError), match="must be one or several ids"):
            await fetch([], day)


async def test_any_rest_request_can_be_sent_and_a_change_is_recorded(home: ScriptedApi) -> None:
    home.home.http["GET", "/api/error_log"] = lambda body: HttpAnswer(200, "quiet")
    home.home.http["GET", "/api/null"] = lambda body: HttpAnswer(200, "null")
    home.home.http["POST", "/api/events/e"] = lambda body: HttpAnswer(200, f'{{"n": {body["n"]}}}')
    assert await home.api.rest("GET", "/api/error_log") == "quiet"
    assert await home.api.rest("GET", "/api/null") is None
    assert home.recorded == []
    assert await home.api.rest("POST", "/api/events/e", {"n": 1}) == {"n": 1}
    assert home.recorded[0].data == '{"method":"POST","path":"/api/events/e","body":{"n":1}}'
    with pytest.raises(CallFailedError, match=r"Not found") as failed:
        await home.api.rest("DELETE", "/api/states/a.b")
    assert failed.value.code == "404"
    with pytest.raises(ValueError, match=r"path must start with /api/, .* got 'api/states'"):
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
