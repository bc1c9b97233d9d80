"""The methods of the API cause the effect in a real Home Assistant, and report its refusals."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hassette_core import Statistic
from hassette_core.errors import CallFailedError, NotConfirmedError
from support.home_assistant import RealHomeAssistant
from support.home_queries import HomeClient, connected
from support.waiting import eventually, patience

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(120)]


@pytest.fixture
async def client(recording_home_assistant: RealHomeAssistant) -> AsyncIterator[HomeClient]:
    async with connected(recording_home_assistant.home) as client:
        yield client


async def events_of(client: HomeClient, event_type: str) -> list[Any]:
    """Subscribe to events of one type. They are appended to the returned list."""
    events: list[Any] = []
    connection = client.link.require_connection("listen")
    await connection.subscribe_command("listen", events.append, "subscribe_events", event_type=event_type)
    return events


async def test_expected_state_confirms_a_call_after_the_device_has_moved(client: HomeClient) -> None:
    await client.api.call_service("lock.unlock", target="lock.front_door", expect="unlocked", within=patience(20))
    result = await client.api.call_service("lock.lock", target="lock.front_door", expect="locked", within=patience(20))
    assert result.confirmed_after_s is not None
    assert result.confirmed_after_s > 1, "the lock needs two seconds"
    assert (result.attempts, client.states["lock.front_door"].state) == (1, "locked")


async def test_call_without_the_expected_effect_is_repeated_and_then_fails(client: HomeClient) -> None:
    calls = await events_of(client, "call_service")
    with pytest.raises(NotConfirmedError) as raised:
        await client.api.call_service(
            "input_boolean.turn_on",
            target="input_boolean.night_mode",
            expect={"input_boolean.test_1": "on"},
            within=0.2,
            retries=1,
        )
    assert (raised.value.attempts, raised.value.seen) == (2, {"input_boolean.test_1": "off"})
    await client.settle()
    assert [call["data"]["service"] for call in calls] == ["turn_on", "turn_on"]
    await client.api.turn_off("input_boolean.night_mode")


async def test_switches_accept_several_entities_of_different_domains(client: HomeClient) -> None:
    entities = ["light.ceiling_lights", "switch.ac"]
    for switch, state in ((client.api.turn_on, "on"), (client.api.toggle, "off"), (client.api.turn_on, "on")):
        await switch(entities, expect=state, within=patience(10))
        assert [client.states[entity].state for entity in entities] == [state, state]


@pytest.mark.parametrize("target", ["persistent_notification", "notify.persistent_notification"])
async def test_notification_is_shown_with_its_title(client: HomeClient, target: str) -> None:
    await client.api.notify("The filter is full", title=target, target=target)
    shown = await client.api.command("persistent_notification/get")
    (one,) = [each for each in shown if each["title"] == target]
    assert one["message"] == "The filter is full"


async def test_notification_reaches_a_notify_entity(client: HomeClient) -> None:
    before = client.states["notify.notifier"].state
    await client.api.notify("The filter is full", target="notify.notifier")
    await eventually(lambda: client.states["notify.notifier"].state != before)


async def test_history_has_the_past_states_in_order(client: HomeClient) -> None:
    for number in range(3):
        await client.api.set_state("sensor.past", number, {"unit_of_measurement": "W"})
    found: list[Any] = []

    async def look() -> bool:
        found[:] = (await client.api.get_history("sensor.past", timedelta(minutes=5)))["sensor.past"]
        return len(found) >= 3

    while not await look():  # Home Assistant writes its history once a second
        await eventually(lambda: True)
    assert [past.state for past in found] == ["0", "1", "2"]
    assert found[-1].attributes["unit_of_measurement"] == "W"
    assert (await client.api.get_history("sensor.never", timedelta(minutes=5))) == {"sensor.never": []}


async def test_logbook_has_the_change_that_a_call_caused(client: HomeClient) -> None:
    result = await client.api.toggle("input_boolean.night_mode")
    entries: list[Any] = []

    async def look() -> bool:
        entries[:] = await client.api.get_logbook(timedelta(minutes=5), context_id=result.context_id)
        return bool(entries)

    while not await look():
        await eventually(lambda: True)
    assert [(entry.entity_id, entry.state) for entry in entries] == [
        ("input_boolean.night_mode", client.states["input_boolean.night_mode"].state)
    ]


async def test_template_is_rendered_with_variables_and_its_error_is_reported(client: HomeClient) -> None:
    text = await client.api.render_template("{{ states('sun.sun') }} {{ n + 1 }}", {"n": 1})
    assert text == f"{client.states['sun.sun'].state} 2"
    for template in ("{{ 1 / 0 }}", "{% if %}"):
        with pytest.raises(CallFailedError) as raised:
            await client.api.render_template(template)
        assert raised.value.reason


async def test_command_creates_a_helper_and_removes_it(client: HomeClient) -> None:
    created = await client.api.command("input_boolean/create", name="Made by a test", icon="mdi:beach")
    entity_id = "input_boolean.made_by_a_test"
    await eventually(lambda: entity_id in client.states)
    await client.api.turn_on(entity_id, expect="on")
    await client.api.command("input_boolean/delete", input_boolean_id=created["id"])
    await eventually(lambda: entity_id not in client.states)
    with pytest.raises(CallFailedError) as raised:
        await client.api.command("no/such_command")
    assert raised.value.code == "unknown_command"


async def test_rest_request_reads_writes_and_reports_the_status_of_a_refusal(client: HomeClient) -> None:
    assert (await client.api.rest("GET", "/api/config"))["version"] == client.home.version
    events = await events_of(client, "from_rest")
    await client.api.rest("POST", "/api/events/from_rest", {"n": 1})
    await eventually(lambda: events)
    assert [event["data"] for event in events] == [{"n": 1}]
    await client.api.set_state("sensor.removed", "1")
    await client.api.rest("DELETE", "/api/states/sensor.removed")
    await eventually(lambda: "sensor.removed" not in client.states)
    with pytest.raises(CallFailedError) as raised:
        await client.api.rest("GET", "/api/states/sensor.removed")
    assert raised.value.code == "404"


async def test_services_return_their_responses(client: HomeClient) -> None:
    weather = sorted(client.states.domain("weather"))
    result = await client.api.call_service("weather.get_forecasts", target=weather, type="daily", return_response=True)
    forecasts = [each["forecast"] for each in result.response.values()]
    assert set(result.response) <= set(weather)
    assert {"datetime", "condition", "temperature"} <= max(forecasts, key=len)[0].keys()
    assert (len(result.context_id), result.confirmed_after_s) == (26, None)
    calendar = sorted(client.states.domain("calendar"))[0]
    now = datetime.now(UTC)
    result = await client.api.call_service(
        "calendar.get_events",
        target=calendar,
        start_date_time=(now - timedelta(days=1)).isoformat(),
        end_date_time=(now + timedelta(days=1)).isoformat(),
        return_response=True,
    )
    events = result.response[calendar]["events"]
    assert events
    assert {"start", "end", "summary"} <= events[0].keys()


async def test_service_without_a_response_and_call_without_return_response_are_refused(client: HomeClient) -> None:
    with pytest.raises(CallFailedError) as failed:
        await client.api.call_service("light.turn_on", target="light.bed_light", return_response=True)
    assert failed.value.code == "service_validation_error"
    with pytest.raises(CallFailedError) as failed:
        await client.api.call_service("weather.get_forecasts", target="weather.demo_weather_south", type="daily")
    assert failed.value.code == "service_validation_error"


async def import_statistics(
    client: HomeClient, statistic_id: str, hours: list[datetime], *, mean: bool, unit: str, unit_class: str
) -> None:
    """Write statistics into the recorder: 10, 20 and so on for the given hours."""
    stats = [
        {"start": hour.isoformat(), "mean": 10.0 * number, "min": 1.0, "max": 50.0}
        if mean
        else {"start": hour.isoformat(), "state": 10.0 * number, "sum": 10.0 * number}
        for number, hour in enumerate(hours, 1)
    ]
    metadata: dict[str, Any] = {
        "has_sum": not mean,
        "name": None,
        "source": "test",
        "statistic_id": statistic_id,
        "unit_of_measurement": unit,
    }
    try:
        newer = {"mean_type": int(mean), "unit_class": unit_class}
        await client.api.command("recorder/import_statistics", metadata={**metadata, **newer}, stats=stats)
    except CallFailedError as error:
        assert error.code == "invalid_format", error  # noqa: PT017  Home Assistant 2025.4 has the older fields only
        older = {"has_mean": mean}
        await client.api.command("recorder/import_statistics", metadata={**metadata, **older}, stats=stats)


async def test_statistics_have_their_values_periods_and_units(client: HomeClient) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [now - timedelta(hours=number) for number in (3, 2, 1)]
    await import_statistics(client, "test:energy", hours, mean=False, unit="kWh", unit_class="energy")
    await import_statistics(client, "test:warmth", hours, mean=True, unit="°C", unit_class="temperature")
    ids = ["test:energy", "test:warmth", "sensor.nothing"]
    found: dict[str, list[Statistic]] = {}
    while [len(found.get(each, ())) for each in ids] != [3, 3, 0]:  # the recorder writes in a thread
        await client.settle()
        found = await client.api.get_statistics(ids, hours[0] - timedelta(hours=1), now)
    energy, warmth = found["test:energy"], found["test:warmth"]
    assert [(each.start, each.end) for each in energy] == [(hour, hour + timedelta(hours=1)) for hour in hours]
    assert [(each.state, each.sum, each.mean) for each in energy] == [(10, 10, None), (20, 20, None), (30, 30, None)]
    assert [each.change for each in energy][1:] == [10, 10]
    assert [(each.mean, each.min, each.max, each.sum) for each in warmth] == [(10 * n, 1, 50, None) for n in (1, 2, 3)]
    assert found["sensor.nothing"] == []
    changes = await client.api.get_statistics(
        "test:energy", hours[0], now, period="hour", types=["change"], units={"energy": "Wh"}
    )
    assert [(each.change, each.sum) for each in changes["test:energy"]][1:] == [(10_000, None), (10_000, None)]
    fahrenheit = await client.api.get_statistics("test:warmth", hours[0], now, units={"temperature": "°F"})
    assert [round(each.mean or 0) for each in fahrenheit["test:warmth"]] == [50, 68, 86]
    months = await client.api.get_statistics("test:warmth", now - timedelta(days=40), period="month")
    assert sum(len(each) for each in months.values()) in (1, 2)  # the hours may be in two months
