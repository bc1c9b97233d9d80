"""The whole framework with the simulated home: connected services, clean ends, reported failures."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from hassette_core import AuthenticationError, ConfigError, Hassette, HassetteConfig, SimulatedHome
from hassette_core.config import AppEntry
from hassette_core.errors import CoreError
from hassette_core.lifecycle import ServiceStatus
from hassette_core.link import HomeAssistantLink
from hassette_core.moments import Place, SunTime
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_core.session import UNREQUESTED_END, HomeFacts
from hassette_core.states import StateCache
from hassette_executor import Batch, CommandExecutor, MemorySink
from support.records import nothing
from support.waiting import eventually, patience

AMSTERDAM, DENVER = ZoneInfo("Europe/Amsterdam"), ZoneInfo("America/Denver")
DEADLINE_S = patience(20.0)

SLOW_START = """
import asyncio
from hassette_core import App, AppConfig

class Echo(App[AppConfig]):
    async def on_initialize(self):
        self.go = asyncio.Event()
        self.bus.on_state_change(self.hear, "sensor.power")
        await self.api.call_service("light", "turn_on", target="light.hall")
        await self.go.wait()

    async def hear(self):
        self.go.set()
"""


def facts(batches: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for batch in batches:
        found.update(batch.session_facts)
    return found


async def test_event_leads_to_a_record_and_a_service_call(
    make_config: Callable[..., HassetteConfig],
) -> None:
    sink = MemorySink()
    async with (
        SimulatedHome(speed=0) as home,
        Hassette(make_config(home.url), sinks=[sink], plugins=False) as hassette,
    ):
        await eventually(lambda: hassette.apps.statuses[0].status == "running")
        home.core.change("sensor.power", "777")
        await eventually(lambda: home.core.states["light.hall"]["state"] == "on")
        await eventually(lambda: hassette.executor.accounting().executed == 1)
        assert hassette.live.snapshot().ready
        (job,) = hassette.live.snapshot().upcoming
        assert (job.app, job.name) == ("echo", "tick")
    (record,) = sink.records
    assert record.trigger.entity_id == "sensor.power"
    assert record.effects is not None
    assert record.effects.service_calls[0].context_id == home.core.states["light.hall"]["context"]["id"]
    account = hassette.executor.accounting()
    assert (account.executed, account.persisted, account.waiting) == (1, 1, 0)


async def test_framework_is_ready_only_after_its_apps_have_started(
    make_config: Callable[..., HassetteConfig], tmp_path: Path
) -> None:
    (tmp_path / "echo.py").write_text(SLOW_START, encoding="utf-8")
    async with (
        SimulatedHome(speed=0) as home,
        Hassette(make_config(home.url), plugins=False) as hassette,
    ):
        await eventually(lambda: home.core.states["light.hall"]["state"] == "on")
        snapshot = hassette.live.snapshot()
        assert (snapshot.connection, snapshot.ready) == ("connected", False)
        home.core.change("sensor.power", "777")
        await hassette.wait_ready()
        assert hassette.live.snapshot().ready
        assert hassette.apps.statuses[0].status == "running"


async def test_running_handler_can_call_services_during_shutdown(
    make_config: Callable[..., HassetteConfig], tmp_path: Path
) -> None:
    app = tmp_path / "echo.py"
    wait = "while self.states['sensor.power'].state != 'stopping':\n            await asyncio.sleep(0.001)"
    waiting = app.read_text().replace("async def hear(self):", f"async def hear(self):\n        {wait}")
    app.write_text("import asyncio\n" + waiting, encoding="utf-8")
    sink = MemorySink()
    async with SimulatedHome(speed=0) as home:
        config = make_config(home.url, stop_budget_s=patience(9))
        async with Hassette(config, sinks=[sink], plugins=False) as hassette:
            await eventually(lambda: hassette.apps.statuses[0].status == "running")
            home.core.change("sensor.power", "777")
            await eventually(lambda: hassette.executor.running())
            hassette.request_stop("test")
            await eventually(lambda: hassette.apps.statuses[0].status == "stopped")
            home.core.change("sensor.power", "stopping")
        assert home.core.states["light.hall"]["state"] == "on", "a running handler can still call services"
    (record,) = sink.records
    assert (record.status, record.failure) == ("success", None)


# For the name "Europe", ZoneInfo raises an IsADirectoryError.
@pytest.mark.parametrize("error", [ZoneInfoNotFoundError, IsADirectoryError])
async def test_unknown_time_zone_is_logged_and_the_place_is_set_nevertheless(
    caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    def unknown(name: str) -> ZoneInfo:
        raise error(name)

    executor = CommandExecutor()
    scheduler = SchedulerService(executor, time_zone=ZoneInfo("Asia/Tokyo"))
    async with (
        SimulatedHome(speed=0) as home,
        HomeAssistantLink(home.url, home.token, cache=StateCache(), on_event=lambda _: None) as link,
    ):
        facts = HomeFacts(link, executor, scheduler, find_zone=unknown)
        await facts.start()
        serving = asyncio.create_task(facts.serve())
        await eventually(lambda: scheduler.place.latitude is not None)
        await facts.stop()
        await serving
    assert str(scheduler.place.zone) == "Asia/Tokyo"
    assert [record.message for record in caplog.records].count(
        "Home Assistant's time zone is unknown on this machine; jobs keep the current one"
    ) == 1


async def test_new_location_and_elevation_of_the_home_move_sun_jobs() -> None:
    executor = CommandExecutor()
    scheduler = SchedulerService(executor)
    async with (
        SimulatedHome(speed=0) as home,
        HomeAssistantLink(home.url, home.token, cache=StateCache(), on_event=lambda _: None) as link,
        executor,
        scheduler,
    ):
        job = AppScheduler(scheduler, "app", "one").run_at_sunset(nothing)
        facts = HomeFacts(link, executor, scheduler)
        await facts.start()
        serving = asyncio.create_task(facts.serve())
        await eventually(lambda: job.next_run is not None)
        assert (scheduler.place.latitude, scheduler.place.longitude, scheduler.place.elevation) == (52.37, 4.89, 2)
        for changes, place in (
            ({"elevation": 1_560}, Place(zone=AMSTERDAM, latitude=52.37, longitude=4.89, elevation=1_560)),
            ({"latitude": 40, "longitude": -105}, Place(zone=AMSTERDAM, latitude=40, longitude=-105, elevation=1_560)),
            ({"time_zone": "America/Denver"}, Place(zone=DENVER, latitude=40, longitude=-105, elevation=1_560)),
        ):
            home.core.fire("core_config_updated", changes)
            await eventually(lambda expected=place: scheduler.place == expected)
            # If the sunset of today moves into the past, the job first runs late, and only then plans the next run.
            await eventually(lambda: job.next_run == SunTime("sunset").next_after(datetime.now(UTC), scheduler.place))
        await facts.stop()
        await serving


@pytest.mark.parametrize("odd", [{"elevation": "high"}, {"latitude": None}, {"longitude": [1]}])
async def test_odd_change_of_the_configuration_keeps_the_connection_and_the_place(odd: dict[str, object]) -> None:
    async with (
        SimulatedHome(speed=0) as home,
        HomeAssistantLink(home.url, home.token, cache=StateCache(), on_event=lambda _: None) as link,
    ):
        await link.wait_ready()
        home.core.fire("core_config_updated", odd)
        home.core.fire("core_config_updated", {"location_name": "Marked"})
        await eventually(lambda: link.configuration is not None and link.configuration.location_name == "Marked")
        assert link.configuration is not None
        kept = link.configuration
        assert (kept.latitude, kept.longitude, kept.elevation) == (52.37, 4.89, 2)


async def test_home_facts_stop_while_home_assistant_is_absent() -> None:
    executor = CommandExecutor()
    link = HomeAssistantLink("http://127.0.0.1:1", "token", cache=StateCache(), on_event=lambda _: None)
    facts = HomeFacts(link, executor, SchedulerService(executor))
    await facts.start()
    serving = asyncio.create_task(facts.serve())
    await asyncio.sleep(0)
    await facts.stop()
    async with asyncio.timeout(patience(10)):
        await serving


async def test_session_has_versions_place_and_reason_of_its_end(
    make_config: Callable[..., HassetteConfig],
) -> None:
    sink = MemorySink()
    async with SimulatedHome(speed=0) as home, Hassette(make_config(home.url), sinks=[sink], plugins=False) as hassette:
        await eventually(lambda: hassette.scheduler.place.latitude is not None)
    known = facts(sink.batches)
    assert {"hassette_core", "hassette_executor", "python", "sqlite", "home_assistant_url"} <= known.keys()
    assert (known["home_assistant"], known["time_zone"]) == ("2025.4.4", "Europe/Amsterdam")
    assert (known["outcome"], known["reason"]) == ("clean", "stopped by the program")


async def test_configured_time_zone_is_recorded_before_home_assistant_is_connected(
    make_config: Callable[..., HassetteConfig],
) -> None:
    sink = MemorySink()
    config = make_config("http://127.0.0.1:1", time_zone="Asia/Tokyo")
    async with Hassette(config, sinks=[sink], plugins=False):
        await eventually(lambda: facts(sink.batches).get("time_zone") == "Asia/Tokyo")


async def test_configured_time_zone_takes_precedence_over_home_assistants(
    make_config: Callable[..., HassetteConfig],
) -> None:
    sink = MemorySink()
    async with SimulatedHome(speed=0) as home:
        config = make_config(home.url, time_zone="Asia/Tokyo")
        async with Hassette(config, sinks=[sink], plugins=False) as hassette:
            await eventually(lambda: hassette.scheduler.place.latitude is not None)
            assert str(hassette.scheduler.place.zone) == "Asia/Tokyo"
    assert facts(sink.batches)["time_zone"] == "Asia/Tokyo"


async def test_time_zone_of_the_home_is_known_from_the_settings_or_from_home_assistant(
    make_config: Callable[..., HassetteConfig],
) -> None:
    assert Hassette(make_config("http://127.0.0.1:1"), plugins=False).time_zone is None
    configured = Hassette(make_config("http://127.0.0.1:1", time_zone="Asia/Tokyo"), plugins=False)
    assert str(configured.time_zone) == "Asia/Tokyo"
    async with SimulatedHome(speed=0) as home, Hassette(make_config(home.url), plugins=False) as hassette:
        await eventually(lambda: hassette.time_zone)
        assert str(hassette.time_zone) == "Europe/Amsterdam"


async def test_without_a_store_one_log_line_explains_how_to_install_it(
    make_config: Callable[..., HassetteConfig], caplog: pytest.LogCaptureFixture
) -> None:
    async with SimulatedHome(speed=0) as home, Hassette(make_config(home.url), plugins=False):
        pass
    lines = [record for record in caplog.records if "Runs are not recorded" in record.message]
    assert [vars(record)["to_record_them"] for record in lines] == ['pip install "hassette-core[telemetry]"']


async def test_wrong_token_ends_the_run_and_is_the_reason_of_the_session(
    make_config: Callable[..., HassetteConfig],
) -> None:
    sink = MemorySink()
    async with SimulatedHome(speed=0) as home:
        hassette = Hassette(make_config(home.url, token="wrong-token"), sinks=[sink], plugins=False)
        with pytest.raises(AuthenticationError, match="refused the access token"):
            await asyncio.wait_for(hassette.run(), DEADLINE_S)
    known = facts(sink.batches)
    assert known["outcome"] == "failed"
    assert "refused the access token" in known["reason"]
    # Home Assistant may refuse the token before the turn of the last services has come.
    statuses = {one.name: one.status for one in hassette.statuses}
    assert statuses[hassette.link.name] is ServiceStatus.STOPPED
    assert set(statuses.values()) <= {ServiceStatus.STOPPED, ServiceStatus.WAITING}


@pytest.mark.parametrize(
    ("requested", "expected"),
    [(None, ("failed", UNREQUESTED_END)), ("SIGTERM", ("clean", "SIGTERM"))],
    ids=["without a request", "during a requested stop"],
)
async def test_cancelled_run_has_failed_unless_a_stop_was_requested_before(
    make_config: Callable[..., HassetteConfig], requested: str | None, expected: tuple[str, str]
) -> None:
    sink = MemorySink()
    async with SimulatedHome(speed=0) as home:
        hassette = Hassette(make_config(home.url), sinks=[sink], plugins=False)
        running = asyncio.create_task(hassette.run())
        await asyncio.wait_for(hassette.wait_started(), DEADLINE_S)
        if requested is not None:
            hassette.request_stop(requested)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    known = facts(sink.batches)
    assert (known["outcome"], known["reason"]) == expected


async def test_framework_waits_for_an_absent_home_assistant(make_config: Callable[..., HassetteConfig]) -> None:
    home = SimulatedHome(speed=0)
    await home.start()
    url = home.url
    await home.stop()
    async with Hassette(make_config(url), plugins=False) as hassette:
        snapshot = hassette.live.snapshot()
        assert (snapshot.ready, snapshot.connection) == (False, "connecting")
        assert {one.status for one in snapshot.services} == {ServiceStatus.RUNNING}
        assert hassette.apps.statuses[0].status == "loaded", "apps start only with a connection"
        await home.start()
        try:
            await eventually(lambda: hassette.apps.statuses[0].status == "running")
            assert hassette.live.snapshot().connection == "connected"
        finally:
            await home.stop()


async def test_wait_ready_returns_once_the_apps_have_started(make_config: Callable[..., HassetteConfig]) -> None:
    home = SimulatedHome(speed=0)
    await home.start()
    url = home.url
    await home.stop()
    async with Hassette(make_config(url), plugins=False) as hassette:
        ready = asyncio.create_task(hassette.wait_ready())
        await asyncio.sleep(0)
        assert not ready.done(), "Home Assistant is absent"
        await home.start()
        try:
            await ready
            assert {app.status for app in hassette.apps.statuses} == {"running"}
        finally:
            await home.stop()


async def test_wait_ready_raises_if_hassette_stops_first(make_config: Callable[..., HassetteConfig]) -> None:
    async with Hassette(make_config("http://127.0.0.1:1"), plugins=False) as hassette:
        ready = asyncio.create_task(hassette.wait_ready())
        await asyncio.sleep(0)
        hassette.request_stop("test")
        with pytest.raises(CoreError, match="stopped before its apps had started"):
            await ready


async def test_clean_session_has_no_warnings_and_records_the_stop_of_each_service(
    make_config: Callable[..., HassetteConfig], caplog: pytest.LogCaptureFixture
) -> None:
    sink = MemorySink()
    async with SimulatedHome(speed=0) as home, Hassette(make_config(home.url), sinks=[sink], plugins=False) as hassette:
        await eventually(lambda: hassette.apps.statuses[0].status == "running")
        services = {one.name for one in hassette.statuses}
    assert [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING] == []
    events = [event for batch in sink.batches for event in batch.lifecycle]
    assert {event.subject for event in events if event.kind == "service_stopped"} == services - {hassette.executor.name}


async def test_sink_that_cannot_start_is_degraded_until_it_starts(make_config: Callable[..., HassetteConfig]) -> None:
    class SinkService(MemorySink):
        name = "flaky sink"
        disk_is_full = True

        async def start(self) -> None:
            if self.disk_is_full:
                raise OSError("the disk is full")

        async def serve(self) -> None:
            await asyncio.Event().wait()

        async def stop(self) -> None:
            pass

    sink = SinkService()
    async with SimulatedHome(speed=0) as home, Hassette(make_config(home.url), sinks=[sink], plugins=False) as hassette:
        assert hassette.statuses[0].status is ServiceStatus.DEGRADED
        sink.disk_is_full = False
        await eventually(lambda: hassette.statuses[0].status is ServiceStatus.RUNNING)
    events = [event for batch in sink.batches for event in batch.lifecycle if event.subject == sink.name]
    kinds = [(event.kind, event.detail) for event in events]
    assert ("service_degraded", "the disk is full") in kinds
    assert "service_restarted" in {kind for kind, _ in kinds}


async def test_token_is_in_no_log_line_and_no_record(
    make_config: Callable[..., HassetteConfig], caplog: pytest.LogCaptureFixture
) -> None:
    token = "simulated-home"
    caplog.set_level(logging.DEBUG)
    sink = MemorySink()
    async with SimulatedHome(speed=0) as home, Hassette(make_config(home.url), sinks=[sink], plugins=False) as hassette:
        await eventually(lambda: hassette.apps.statuses[0].status == "running")
        logging.getLogger("another.library").warning("I send %s", token)
        home.core.change("sensor.power", "1")
        await eventually(lambda: hassette.executor.accounting().executed == 1)
    assert token not in caplog.text
    batches: list[Batch] = list(sink.batches)
    assert token not in repr(batches)


LEAKY = """
import asyncio
from hassette_core import App, AppConfig

class Config(AppConfig):
    alarm_code: int
    fails: bool = False

class Leaky(App[Config]):
    async def on_initialize(self):
        code = str(self.config.alarm_code)
        if self.config.fails:
            raise ValueError(f"cannot log in with {code}")
        self.bus.on_state_change(self.hear, "sensor.power", changed_to=code)

    async def hear(self):
        code = str(self.config.alarm_code)
        self.logger.warning("trying %s", code)
        await self.api.call_service("notify", "notify", message=f"the code is {code}")
        try:
            raise ExceptionGroup("both", [ValueError(code)])
        except ExceptionGroup as error:
            raise RuntimeError(f"{code} was refused") from error
"""


async def test_secrets_that_an_app_leaks_are_in_no_record_and_not_in_the_live_feed(
    make_config: Callable[..., HassetteConfig], tmp_path: Path
) -> None:
    (tmp_path / "leaky.py").write_text(LEAKY, encoding="utf-8")
    entry = {
        "module": "leaky",
        "class": "Leaky",
        "instances": [
            {"name": "works", "alarm_code": 12345678},
            {"name": "fails", "alarm_code": 12345678, "fails": True},
        ],
    }
    sink = MemorySink()
    async with SimulatedHome(speed=0) as home:
        config = make_config(home.url).model_copy(update={"apps": {"leaky": AppEntry.model_validate(entry)}})
        async with Hassette(config, sinks=[sink], plugins=False) as hassette:
            await eventually(lambda: {app.status for app in hassette.apps.statuses} == {"running", "retrying"})
            async with hassette.live.subscribe(0) as live:
                home.core.change("sensor.power", "12345678")
                shown = await asyncio.wait_for(anext(live), DEADLINE_S)
    (record,) = sink.records
    assert [one.failure for one in shown] == [record.failure], "pages show the same as the history"
    assert record.failure is not None
    assert record.failure.message == "••• was refused"
    assert record.failure.cause is not None
    assert record.failure.cause.group[0].message == "•••"
    assert record.effects is not None
    assert [line.message for line in record.effects.log_lines] == ["trying •••"]
    assert record.effects.service_calls[0].data == '{"message":"the code is •••"}'
    details = [event.detail for batch in sink.batches for event in batch.lifecycle if event.kind == "app_failed"]
    assert details == ["on_initialize failed: ValueError: cannot log in with •••"]
    batches: list[Batch] = list(sink.batches)
    assert "12345678" not in repr(batches)
    registered = [one for batch in batches for one in batch.registered]
    assert [dict(one.settings)["changed_to"] for one in registered if one.name == "hear"] == ["•••"]
    assert record.registration in registered, "sinks distinguish registrations by identity"


def test_missing_token_is_an_error_that_explains_where_to_get_one() -> None:
    with pytest.raises(ConfigError, match=r"home_assistant\.token is missing\. Create a long-lived access token"):
        Hassette(HassetteConfig(), plugins=False)
