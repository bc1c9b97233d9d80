"""`FrameworkControl`: refusals, hung apps, and what lasts until the next start."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hassette_core import Hassette, HassetteConfig, SimulatedHome
from hassette_core.control import AT_ONCE, ActionOutcome, FrameworkControl
from hassette_core.lifecycle import ServiceStatus, StatusBoard, StatusReport
from support.waiting import eventually, patience
from support.whole_home import WholeHome, whole_home

HOUR_US = 3_600_000_000

LIGHTS = """
    class App1(App[AppConfig]):
        async def on_initialize(self):
            self.scheduler.run_every(self.switch_on, 3600, name="switch on", mode="single")
            self.scheduler.run_daily(self.wait, "03:00", mode="single")
            self.scheduler.run_daily(self.holiday, "03:00", group="holiday")
            self.release = asyncio.Event()

        async def switch_on(self):
            await self.api.turn_on("light.hall")

        async def wait(self):
            await self.release.wait()

        async def holiday(self):
            pass

        async def on_shutdown(self):
            self.release.set()
"""


@dataclass(frozen=True, kw_only=True)
class Request:
    verb: str
    target: str
    by: str = "a test"
    subject: str = ""
    until_us: int | None = None


async def act(place: WholeHome, verb: str, target: str) -> ActionOutcome:
    return await place.hassette.control.act(Request(verb=verb, target=target))


async def test_refusal_names_a_similar_app_or_job(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        answers = [
            await act(place, "reload_app", "ap1"),
            await act(place, "run_job", "app1.waits"),
            await act(place, "run_job", "app1.app1.waits"),
            await act(place, "explode", "app1"),
        ]
    assert [answer.outcome for answer in answers] == ["not_found"] * 4
    assert answers[0].detail == "app must be an app of hassette.toml, got 'ap1'; did you mean 'app1'?."
    assert "did you mean 'app1.wait'?" in answers[1].detail
    assert "did you mean 'app1.wait'?" in answers[2].detail
    assert answers[3].detail.startswith("verb must be one of run_job, ")


async def test_long_target_is_cut_in_the_refusal(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        for verb in ("run_job", "reload_app"):
            answer = await act(place, verb, "x" * 1_000_000)
            assert answer.outcome == "not_found"
            assert len(answer.detail) < 400


async def test_second_run_of_a_single_job_is_refused_while_the_first_is_in_progress(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        assert (await act(place, "run_job", "app1.wait")).outcome == "done"
        answer = await act(place, "run_job", "app1.wait")
        assert answer.outcome == "conflict"
        assert "its previous run is still in progress" in answer.detail


async def test_job_that_is_paused_with_its_group_is_not_resumed_alone(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        place.app().scheduler.group("holiday").pause()
        assert place.hassette.control.paused_jobs() == (("app1", "app1", "holiday"),)
        answer = await act(place, "resume_job", "app1.holiday")
        assert answer.outcome == "conflict"
        assert "paused with its group 'holiday'" in answer.detail


async def test_event_of_a_job_has_its_full_name(tmp_path: Path) -> None:
    apps = {"app1": {"module": "apps", "class": "App1", "instances": [{"name": "up"}]}}
    async with whole_home(tmp_path, LIGHTS, apps=apps) as place:
        for verb in ("run_job", "pause_job", "resume_job"):
            assert (await act(place, verb, "app1.holiday")).outcome == "done"
            assert [subject for subject, _ in await place.lifecycle(f"control_{verb}")] == ["app1.up.holiday"]


@pytest.mark.parametrize(
    ("instances", "title"), [({}, "app1.holiday"), ({"instances": [{"name": "up"}]}, "app1.up.holiday")]
)
async def test_answer_names_a_job_as_the_lists_do(tmp_path: Path, instances: dict[str, Any], title: str) -> None:
    apps = {"app1": {"module": "apps", "class": "App1", **instances}}
    async with whole_home(tmp_path, LIGHTS, apps=apps) as place:
        details = [(await act(place, verb, "app1.holiday")).detail for verb in ("pause_job", "pause_job", "resume_job")]
    assert details == [
        f"The job {title} is paused until it is resumed, even after a restart.",
        f"The job {title} was paused already.",
        f"The job {title} is resumed.",
    ]


async def test_name_of_jobs_of_two_instances_must_contain_the_instance(tmp_path: Path) -> None:
    apps = {"app1": {"module": "apps", "class": "App1", "instances": [{"name": "up"}, {"name": "down"}]}}
    async with whole_home(tmp_path, LIGHTS, apps=apps) as place:
        answer = await act(place, "run_job", "app1.holiday")
        assert answer.outcome == "conflict"
        assert "app1.up.holiday, app1.down.holiday" in answer.detail
        assert (await act(place, "run_job", "app1.down.holiday")).outcome == "done"


async def test_next_run_of_jobs_that_share_a_name_is_run(tmp_path: Path) -> None:
    source = """
        class App1(App[AppConfig]):
            async def on_initialize(self):
                for light, delay in (("later", 900), ("sooner", 300)):
                    self.scheduler.run_in(self.off, delay, kwargs={"light": light})
                self.off_now = []

            async def off(self, light):
                self.off_now.append(light)
    """
    async with whole_home(tmp_path, source) as place:
        assert (await act(place, "run_job", "app1.off")).outcome == "done"
        await eventually(lambda: place.app().off_now == ["sooner"])


async def test_rehearsing_app_sends_nothing_until_its_rehearsal_ends(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        begun = await act(place, "rehearse_app", "app1")
        assert begun.outcome == "done"
        assert "are not sent until Hassette restarts;" in begun.detail
        await act(place, "run_job", "app1.switch on")
        (run,) = await place.records(1)
        assert run.effects is not None
        assert [call.rehearsed for call in run.effects.service_calls] == [True]

        await place.hassette.apps.reload_changed()
        assert place.hassette.control.apps()[0].rehearses

        ended = await act(place, "end_rehearsal", "app1")
        assert ended.outcome == "done"
        assert "are sent; after a restart, rehearse in hassette.toml applies again;" in ended.detail
        await act(place, "run_job", "app1.switch on")
        run = (await place.records(2))[1]
        assert run.effects is not None
        assert [call.rehearsed for call in run.effects.service_calls] == [False]


async def test_app_that_cannot_be_reloaded_keeps_running_and_acting(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        module = tmp_path / "apps.py"
        module.write_text(module.read_text().replace("self.release = asyncio.Event()", "raise ValueError('broken')"))
        for verb in ("reload_app", "rehearse_app"):
            answer = await act(place, verb, "app1")
            assert answer.outcome == "conflict"
            assert "broken" in answer.detail
        (state,) = place.hassette.control.apps()
        assert (state.status, state.rehearses) == ("running", False)
        kinds = [kind for kind in ("control_reload_app", "control_rehearse_app") if await place.lifecycle(kind)]
        assert len(kinds) == 2


async def test_app_that_is_disabled_in_the_configuration_cannot_be_enabled(tmp_path: Path) -> None:
    apps = {"app1": {"module": "apps", "class": "App1", "enabled": False}}
    async with whole_home(tmp_path, LIGHTS, apps=apps) as place:
        answer = await act(place, "enable_app", "app1")
        assert answer.outcome == "conflict"
        assert "enabled = false in hassette.toml" in answer.detail
        assert not place.hassette.control.apps()[0].enabled


async def test_disabled_app_stays_disabled_when_the_apps_restart_after_a_crash(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        await act(place, "disable_app", "app1")
        await place.hassette.apps.stop()
        await place.hassette.apps.start()
        (state,) = place.hassette.control.apps()
        assert (state.status, state.enabled) == ("stopped", False)
        await act(place, "enable_app", "app1")


async def test_hung_app_does_not_delay_the_answer(tmp_path: Path) -> None:
    source = """
        class App1(App[AppConfig]):
            async def on_shutdown(self):
                await asyncio.sleep(1000)
    """
    async with whole_home(tmp_path, source) as place:
        hassette = place.hassette
        control = make_control(hassette, answer_s=0.01)
        answers = [await control.act(Request(verb="reload_app", target="app1")) for _ in range(AT_ONCE + 1)]
        assert [answer.outcome for answer in answers] == [*["in_progress"] * AT_ONCE, "unavailable"]
        assert "other actions are in progress" in answers[-1].detail


async def test_action_is_unavailable_while_its_service_is_not_running(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        board = StatusBoard()
        control = make_control(place.hassette, board=board)
        for service, verb, target in (("scheduler", "run_job", "app1.wait"), ("apps", "reload_app", "app1")):
            assert (await control.act(Request(verb=verb, target=target))).outcome == "unavailable"
            board.update(StatusReport(service, ServiceStatus.RESTARTING, "service_crashed"))
            answer = await control.act(Request(verb=verb, target=target))
            assert (answer.outcome, "is restarting" in answer.detail) == ("unavailable", True)
            board.update(StatusReport(service, ServiceStatus.RUNNING, "service_restarted"))
            assert (await control.act(Request(verb=verb, target=target))).outcome == "done"


async def test_silence_must_end_within_a_year(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        now_us = time.time_ns() // 1000
        for until_us in (None, 0, now_us - 1, now_us + 400 * 24 * HOUR_US, -(10**18), 10**30):
            answer = await place.hassette.control.act(Request(verb="silence_error", target="1:a", until_us=until_us))
            assert answer.outcome == "conflict"
        assert await place.lifecycle("control_silence_error") == []


async def test_event_of_a_silence_has_a_readable_subject_and_no_secret(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHTS) as place:
        until_us = time.time_ns() // 1000 + HOUR_US
        request = Request(verb="silence_error", target="1:a", subject="ValueError", until_us=until_us, by="me " * 500)
        assert (await place.hassette.control.act(request)).outcome == "done"
        ((subject, detail),) = await place.lifecycle("control_silence_error")
        assert subject == "ValueError"
        assert "is silenced until" in detail
        assert len(detail) < 500


async def test_nothing_can_be_silenced_without_a_sink(tmp_path: Path) -> None:
    async with SimulatedHome(speed=0) as home:
        settings = {"app_dir": str(tmp_path), "data_dir": str(tmp_path)}
        config = HassetteConfig.model_validate(
            {"hassette": settings, "home_assistant": {"url": home.url, "token": home.token}}
        )
        async with Hassette(config, plugins=False) as hassette:
            request = Request(verb="silence_error", target="1:a", until_us=time.time_ns() // 1000 + HOUR_US)
            assert (await hassette.control.act(request)).outcome == "unavailable"


def make_control(hassette: Hassette, *, board: StatusBoard | None = None, answer_s: float = 0.0) -> FrameworkControl:
    if board is None:
        board = StatusBoard()
        for service in ("apps", "scheduler"):
            board.update(StatusReport(service, ServiceStatus.RUNNING, "service_started"))
    return FrameworkControl(
        hassette.apps,
        hassette.scheduler,
        hassette.executor,
        board,
        records=True,
        redact=str,
        wall_ns=time.time_ns,
        answer_s=answer_s or patience(8),
    )
