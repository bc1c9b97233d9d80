"""`AppBus.on_trigger`: each kind of trigger, its options, Home Assistant's answers, and interruptions."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, cast

import pytest

from hassette_core import App, AppConfig, Data, RegistrationError, StateChanged, SyncApp, TriggerFired
from hassette_core.testing import HomeTestError, HomeUnderTest

DOORBELL = {"trigger": "webhook", "webhook_id": "doorbell"}
MQTT = {"trigger": "mqtt", "topic": "button/#"}


class Config(AppConfig):
    trigger: Any = DOORBELL
    options: Any = None


class Listening(App[Config]):
    async def on_initialize(self) -> None:
        self.seen: list[TriggerFired] = []
        self.subscription = await self.bus.on_trigger(self.on_fired, self.config.trigger, **(self.config.options or {}))

    async def on_fired(self, event: TriggerFired) -> None:
        self.seen.append(event)


class Idle(App[AppConfig]):
    """Registers listeners only in the code of the test."""

    async def on_fired(self) -> None: ...

    async def on_change(self, event: StateChanged) -> None: ...


def attached(home: HomeUnderTest) -> int:
    return len(home.simulated.model.attached_triggers)


async def press(home: HomeUnderTest) -> None:
    await home.fire_trigger("webhook", webhook_id="doorbell", json={"pressed": True})


Fire = Callable[[HomeUnderTest], Any]


@pytest.mark.parametrize(
    ("config", "fire", "found"),
    [
        (DOORBELL, press, {"json": {"pressed": True}}),
        ({"platform": "webhook", "webhook_id": "doorbell"}, press, {"platform": "webhook"}),
        (
            MQTT,
            lambda home: home.fire_trigger("mqtt", topic="button/1", payload='{"n": 1}'),
            {"payload_json": {"n": 1}},
        ),
        (
            {"trigger": "conversation", "command": "good [very] {time}"},
            lambda home: home.fire_trigger("conversation", sentence="good night"),
            {"slots": {"time": "night"}},
        ),
        (
            {"trigger": "event", "event_type": "button", "event_data": {"n": 1}, "id": "mine"},
            lambda home: home.fire("button", n=1),
            {"id": "mine", "description": "event 'button'"},
        ),
        (
            {"trigger": "state", "entity_id": "light.hall", "to": "on"},
            lambda home: home.set("light.hall", "on"),
            {"entity_id": "light.hall", "description": "state of light.hall"},
        ),
        (
            {"trigger": "template", "value_template": "{{ is_state('light.hall', 'on') }}"},
            lambda home: home.set("light.hall", "on"),
            {"platform": "template"},
        ),
        ({"trigger": "time_pattern", "minutes": "/30"}, lambda home: home.advance(minutes=30), {"idx": "0"}),
        (
            [{"triggers": [DOORBELL]}, {"trigger": "event", "event_type": "button"}],
            lambda home: home.fire("button"),
            {"id": "1"},
        ),
    ],
)
async def test_handler_receives_the_firing(home: HomeUnderTest, config: Any, fire: Fire, found: dict[str, Any]) -> None:
    await home.set("light.hall", "off")
    await home.add_app(Listening, trigger=config)
    await fire(home)
    (event,) = home.app(Listening).seen
    assert {key: event.data[key] for key in found} == found
    assert event.variables["trigger"] == event.data
    assert event.event_type == f"trigger.{event.platform}"
    assert (event.id, event.description) == (event.data["id"], event.data.get("description", ""))
    assert home.runs("on_fired")[0].trigger.startswith((event.event_type, "light.hall"))


async def test_purpose_specific_trigger_fires(home: HomeUnderTest) -> None:
    config = {"trigger": "light.turned_on", "target": {"entity_id": "light.hall"}}
    await home.set("light.hall", "off")
    with pytest.raises(HomeTestError, match="does not provide trigger support"):
        await home.add_app(Listening, app_key="old", trigger=config)
    home.expect_failures()
    await home.run(lambda: setattr(home.simulated, "version", "2026.11.0"))
    await home.add_app(Listening, trigger=config)
    await home.set("light.hall", "on")
    (event,) = home.app(Listening).seen
    assert event.platform == "light.turned_on"
    assert event.context.id


async def test_calendar_and_device_triggers_fire(home: HomeUnderTest) -> None:
    home.at("2026-06-01 12:00")

    def furnish() -> str:
        start = home.simulated.core.clock.now() + timedelta(minutes=10)
        home.simulated.add_calendar_event("calendar.waste", "Paper", start, start + timedelta(hours=1))
        return home.simulated.add_device("Remote")

    device = await home.run(furnish)
    calendar = {"trigger": "calendar", "entity_id": "calendar.waste", "event": "start"}
    button = {"trigger": "device", "domain": "mqtt", "device_id": device, "type": "double_press", "subtype": "button_1"}
    await home.add_app(Listening, trigger=[calendar, button])
    await home.advance(minutes=10)
    await home.run(lambda: home.simulated.device_event(device, "double_press", "button_1"))
    assert [event.platform for event in home.app(Listening).seen] == ["calendar", "device"]


async def test_trigger_of_an_integration_that_the_home_lacks_can_be_added(home: HomeUnderTest) -> None:
    await home.run(lambda: home.simulated.add_trigger("knx.telegram"))
    await home.add_app(Listening, trigger={"trigger": "knx.telegram", "destination": ["1/2/3", "1/2/4"]})
    await home.fire_trigger("knx.telegram", destination="1/2/4", payload=1)
    assert home.app(Listening).seen[0].data["payload"] == 1
    with pytest.raises(HomeTestError, match=r"must agree with a trigger 'knx.telegram' .* attached: \{"):
        await home.fire_trigger("knx.telegram", destination="9/9/9")
    with pytest.raises(HomeTestError, match="attached: none"):
        await home.fire_trigger("webhook", webhook_id="doorbell")


class Values(App[Config]):
    async def on_initialize(self) -> None:
        self.seen: list[Any] = []
        await self.bus.on_trigger(self.on_fired, MQTT, kwargs={"floor": 2})

    async def on_fired(
        self,
        event: StateChanged | TriggerFired,
        floor: int,
        payload: Annotated[int, Data("payload")],
        retain: Annotated[bool, Data("retained")] = False,
    ) -> None:
        self.seen = [type(event), floor, payload, retain]


async def test_parameters_receive_the_values_of_the_trigger(home: HomeUnderTest) -> None:
    await home.add_app(Values)
    await home.fire_trigger("mqtt", topic="button/2", payload="7")
    assert home.app(Values).seen == [TriggerFired, 2, 7, False]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ([], "config must be a trigger or a non-empty list of triggers, got []"),
        ({}, 'config must be a trigger such as {"trigger": "mqtt", "topic": "door/state"}, or a list'),
        ("webhook", "config must be a trigger such as"),
        (None, "config must be a trigger such as"),
        ([DOORBELL, {"trigger": ""}], "config must be a trigger such as"),
        ({**DOORBELL, "for": timedelta(1)}, "config must contain only texts, numbers, booleans, lists and mappings"),
        ({**DOORBELL, "value_template": object()}, "write a template as text"),
        ({**DOORBELL, "above": float("nan")}, "config must contain only texts, numbers"),
        ({**DOORBELL, "id": "\ud800"}, "config must contain only texts, numbers"),
        ({"trigger": "unheard_of"}, "Home Assistant answers: Invalid trigger 'unheard_of' specified (invalid_format)"),
        ({"trigger": "webhook"}, "(invalid_format)"),
        ({"trigger": "device", "device_id": "none", "domain": "mqtt"}, "(home_assistant_error)"),
    ],
)
async def test_config_that_cannot_work_is_an_error_at_registration(
    home: HomeUnderTest, config: Any, problem: str
) -> None:
    await home.add_app(Idle)
    app = home.app(Idle)
    with pytest.raises(RegistrationError) as caught:
        await home.run(app.bus.on_trigger(app.on_fired, config))
    assert problem in str(caught.value)
    assert attached(home) == 0
    # The name is free again.
    await home.run(app.bus.on_trigger(app.on_fired, DOORBELL))
    assert attached(home) == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"duration": 5}, "on_trigger has no option 'duration'"),
        ({"missed": "run"}, "on_trigger has no option 'missed'"),
        ({"immediate": True}, "on_trigger has no option 'immediate'"),
        ({"debounce": 0}, "debounce must be"),
        ({"debounce": 1, "throttle": 1}, "debounce and throttle exclude each other"),
        ({"where": 5}, "where must be"),
        ({"kwargs": {"bogus": 1}}, "kwargs must contain only parameters"),
    ],
)
async def test_option_that_cannot_work_is_refused(home: HomeUnderTest, options: dict[str, Any], problem: str) -> None:
    await home.add_app(Idle)
    app = home.app(Idle)
    with pytest.raises(RegistrationError) as caught:
        await home.run(app.bus.on_trigger(app.on_fired, DOORBELL, **options))
    assert problem in str(caught.value)
    assert attached(home) == 0


async def test_handler_of_a_trigger_and_of_a_change_are_not_exchangeable(home: HomeUnderTest) -> None:
    await home.add_app(Listening)
    await home.add_app(Idle)
    idle, listening = home.app(Idle), home.app(Listening)
    with pytest.raises(RegistrationError, match="only a trigger can fill in; register it with on_trigger"):
        await home.run(lambda: idle.bus.on_state_change(listening.on_fired, "light.hall"))
    with pytest.raises(RegistrationError, match="only a state change can fill in; register it with on_state_change"):
        await home.run(idle.bus.on_trigger(idle.on_change, MQTT))


async def test_refused_trigger_in_on_initialize_fails_the_start(home: HomeUnderTest) -> None:
    with pytest.raises(HomeTestError, match=r"on_initialize failed: .*config must be a trigger that Home Assistant"):
        await home.add_app(Listening, trigger={"trigger": "unheard_of"})
    home.expect_failures()


async def test_options_apply_to_firings(home: HomeUnderTest) -> None:
    await home.add_app(Listening, app_key="once", options={"once": True, "name": "once"})
    await home.add_app(Listening, app_key="calm", options={"debounce": 10})
    await home.add_app(Listening, app_key="rare", options={"throttle": 10, "mode": "single", "timeout": 5})
    for _ in range(3):
        await press(home)
    await home.advance(seconds=11)
    once, calm, rare = (cast("Listening", home.app(key)) for key in ("once", "calm", "rare"))
    assert [len(app.seen) for app in (once, calm, rare)] == [1, 1, 1]
    assert {(each.app, each.reason) for each in home.not_runs()} == {("calm", "rate_limited"), ("rare", "rate_limited")}
    assert not once.subscription.active


async def test_condition_that_does_not_hold_is_counted(home: HomeUnderTest) -> None:
    def is_pressed(event: TriggerFired) -> bool:
        return event.data["json"]["pressed"]

    await home.add_app(Idle)
    app = home.app(Idle)
    await home.run(app.bus.on_trigger(app.on_fired, DOORBELL, where=is_pressed))
    await home.fire_trigger("webhook", webhook_id="doorbell", json={"pressed": False})
    await press(home)
    assert [len(home.runs()), [each.reason for each in home.not_runs()]] == [1, ["condition"]]


async def test_each_firing_of_a_burst_is_a_run(home: HomeUnderTest) -> None:
    await home.add_app(Listening)

    def burst() -> None:
        for number in range(500):
            home.simulated.webhook("doorbell", number)

    await home.run(burst)
    assert [event.data["json"] for event in home.app(Listening).seen] == list(range(500))


async def test_listeners_to_all_events_do_not_receive_firings(home: HomeUnderTest) -> None:
    await home.add_app(Listening)
    await home.add_app(Idle)
    idle = home.app(Idle)
    await home.run(lambda: idle.bus.on_event(idle.on_fired, "*"))
    await press(home)
    assert [run for run in home.runs() if run.app == "idle"] == []


async def test_config_is_copied(home: HomeUnderTest) -> None:
    await home.add_app(Idle)
    app, event_types = home.app(Idle), ["button"]
    await home.run(app.bus.on_trigger(app.on_fired, {"trigger": "event", "event_type": event_types}))
    event_types.append("other")
    await home.interrupt()
    await home.fire("other")
    assert home.runs() == []
    await home.fire("button")
    assert len(home.runs()) == 1


async def test_two_apps_share_a_web_hook(home: HomeUnderTest) -> None:
    await home.add_app(Listening, app_key="a")
    await home.add_app(Listening, app_key="b", trigger={"webhook_id": "doorbell", "trigger": "webhook"})
    first, second = (cast("Listening", home.app(key)) for key in "ab")
    await press(home)
    await home.run(first.subscription.cancel)
    await press(home)
    assert [len(first.seen), len(second.seen)] == [1, 2]
    await home.run(second.subscription.cancel)
    assert attached(home) == 0


async def test_other_trigger_of_a_used_web_hook_is_refused_without_its_id_in_the_error(home: HomeUnderTest) -> None:
    await home.add_app(Listening)
    with pytest.raises(HomeTestError, match="Handler is already defined") as caught:
        await home.add_app(Listening, app_key="other", trigger={**DOORBELL, "local_only": False})
    assert '"local_only": false' in str(caught.value)
    assert '"doorbell"' not in str(caught.value)
    home.expect_failures()
    await press(home)
    assert len(home.app(Listening).seen) == 1


async def test_cancelled_listener_can_be_registered_again_at_once(home: HomeUnderTest) -> None:
    await home.add_app(Listening)
    app = home.app(Listening)

    async def again() -> None:
        app.subscription.cancel()
        await app.on_initialize()

    await home.run(again())
    await press(home)
    assert (len(app.seen), attached(home)) == (1, 1)


@pytest.mark.parametrize("version", ["2025.4.4", "2026.11.0"])
async def test_trigger_waits_for_its_integration(
    home: HomeUnderTest, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await home.run(lambda: setattr(home.simulated, "version", version))
    await home.run(lambda: home.simulated.unload("mqtt"))
    await home.add_app(Listening, trigger=[MQTT, {"trigger": "mqtt", "topic": "door"}])
    await home.interrupt()
    warnings = [record for record in caplog.records if record.message.startswith("Trigger of an app is not attached")]
    assert len(warnings) == 1
    assert "integration mqtt is not loaded" in vars(warnings[0])["problem"]
    await home.run(lambda: home.simulated.load("mqtt"))
    await home.fire_trigger("mqtt", topic="button/1", payload="on")
    await home.fire_trigger("mqtt", topic="door", payload="on")
    assert len(home.app(Listening).seen) == 2
    assert [record.message for record in caplog.records].count("Trigger of an app can fire now") == 1
    kinds = [line for line in str(home.timeline).splitlines() if "trigger_" in line]
    assert len(kinds) in (0, 2)


async def test_other_triggers_of_a_list_fire_while_one_waits_for_its_integration(home: HomeUnderTest) -> None:
    await home.run(lambda: home.simulated.unload("mqtt"))
    await home.add_app(Listening, trigger=[MQTT, {"trigger": "event", "event_type": "button"}])
    await home.fire("button")
    assert len(home.app(Listening).seen) == 1


async def test_trigger_fires_after_each_reconnect(home: HomeUnderTest) -> None:
    await home.add_app(Listening)
    await home.interrupt()
    await press(home)
    await home.restart_home_assistant()
    await press(home)
    assert (len(home.app(Listening).seen), attached(home)) == (2, 1)
    await home.restart()
    await press(home)
    assert (len(home.app(Listening).seen), attached(home)) == (1, 1)


class Late(App[Config]):
    """Registers its trigger when the connection is lost."""

    async def on_initialize(self) -> None:
        self.bus.on_connection_lost(self.register, once=True)

    async def register(self) -> None:
        await self.bus.on_trigger(self.on_fired, self.config.trigger)

    async def on_fired(self) -> None: ...


async def test_trigger_without_a_connection_is_attached_after_the_reconnect(home: HomeUnderTest) -> None:
    await home.add_app(Late)
    await home.interrupt()
    await press(home)
    assert [run.handler for run in home.runs()] == ["register", "on_fired"]
    assert not any(run.failed for run in home.runs())


async def test_trigger_that_is_refused_after_the_reconnect_is_logged_as_an_error(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    await home.add_app(Late, trigger={"trigger": "unheard_of"})
    await home.interrupt()
    await home.interrupt()
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in errors] == ["Home Assistant refused the trigger of an app, so it cannot fire"]
    assert vars(errors[0])["registration"][:2] == ("late", "late")


async def test_web_hook_that_another_client_still_uses_is_attached_when_it_is_free(home: HomeUnderTest) -> None:
    await home.add_app(Listening)
    app, hooks = home.app(Listening), home.simulated.model.webhooks

    async def occupy() -> None:
        # Home Assistant still serves the web hook to the lost connection when the new one subscribes.
        home.simulated.drop_connections()
        await asyncio.sleep(0.01)
        hooks["doorbell"] = lambda request: None

    await home.run(occupy())
    await home.advance(seconds=10)
    assert attached(home) == 0
    hooks.clear()
    await home.advance(seconds=30)
    await press(home)
    assert len(app.seen) == 1


async def test_registration_does_not_wait_for_ever_for_an_answer(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    await home.add_app(Idle)
    app = home.app(Idle)
    await home.run(lambda: home.simulated.failures.unanswered("subscribe_trigger", times=1))
    before = home.now
    subscription = await home.run(app.bus.on_trigger(app.on_fired, DOORBELL))
    assert (home.now - before, subscription.active) == (timedelta(seconds=10), True)
    assert "Home Assistant does not answer to a trigger" in caplog.text
    await home.interrupt()
    await press(home)
    assert len(home.runs()) == 1


async def test_interruption_during_the_registration_delays_the_subscription(home: HomeUnderTest) -> None:
    await home.add_app(Idle)
    app = home.app(Idle)
    await home.run(lambda: home.simulated.failures.unanswered("subscribe_trigger", times=1))

    async def register() -> None:
        registering = asyncio.create_task(app.bus.on_trigger(app.on_fired, DOORBELL))
        await asyncio.sleep(1)
        home.simulated.drop_connections()
        await registering

    await home.run(register())
    await press(home)
    assert (len(home.runs()), attached(home)) == (1, 1)


async def test_cancelled_registration_leaves_nothing_behind(home: HomeUnderTest) -> None:
    await home.add_app(Idle)
    app = home.app(Idle)
    await home.run(lambda: home.simulated.failures.unanswered("subscribe_trigger", times=1))

    async def register() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await app.bus.on_trigger(app.on_fired, DOORBELL)
        await asyncio.sleep(1)
        await app.bus.on_trigger(app.on_fired, DOORBELL)

    await home.run(register())
    await press(home)
    assert (len(home.runs()), attached(home)) == (1, 1)


class Calling(App[Config]):
    async def on_initialize(self) -> None:
        await self.bus.on_trigger(self.on_fired, self.config.trigger)

    async def on_fired(self) -> None:
        await self.api.call_service("light", "turn_on", target="light.hall")


async def test_rehearsing_app_listens_and_its_calls_are_not_sent(home: HomeUnderTest) -> None:
    await home.set("light.hall", "off")
    await home.add_app(Calling, rehearse=True)
    await press(home)
    assert len(home.calls(outcome="rehearsed")) == 1
    assert home.state("light.hall") == "off"


class Blocking(SyncApp[Config]):
    def on_initialize(self) -> None:
        self.bus.on_trigger(self.on_fired, self.config.trigger)

    def on_fired(self, event: TriggerFired) -> None:
        self.logger.info("Fired: %s", event.data["json"])


async def test_sync_app_listens_to_triggers(home: HomeUnderTest) -> None:
    await home.add_app(Blocking)
    await press(home)
    assert [run.status for run in home.runs()] == ["success"]
    with pytest.raises(HomeTestError, match=r"on_initialize failed: .*Home Assistant answers: Invalid trigger"):
        await home.add_app(Blocking, app_key="wrong", trigger={"trigger": "unheard_of"})
    home.expect_failures()


class Ordered(App[AppConfig]):
    """Three listeners to one web hook."""

    async def on_initialize(self) -> None:
        self.started: list[int] = []
        for priority, handler in ((0, self.normal), (-1, self.low), (1, self.high)):
            await self.bus.on_trigger(handler, DOORBELL, priority=priority)

    async def normal(self) -> None:
        self.started.append(0)

    async def low(self) -> None:
        self.started.append(-1)

    async def high(self) -> None:
        self.started.append(1)


async def test_listeners_of_a_trigger_start_by_priority(home: HomeUnderTest) -> None:
    await home.add_app(Ordered)
    await press(home)
    assert home.app(Ordered).started == [1, 0, -1]
