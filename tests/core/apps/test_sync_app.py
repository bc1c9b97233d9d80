"""Apps without async and await: their handlers, jobs and hooks run in threads, and their calls block."""

import asyncio
from pathlib import Path

import pytest

from hassette_core import Status
from support.waiting import eventually, patience
from support.whole_home import whole_home

LIGHT = """
    class App1(SyncApp[AppConfig]):
        def __init__(self, config, context):
            super().__init__(config, context)
            self.threads = {"init": threading.current_thread()}
            self.seen = []

        def on_initialize(self):
            self.note("on_initialize")
            self.seen.append(self.api.call_service("light", "turn_on", target="light.hall").response)
            self.bus.on_state_change(self.changed, "sensor.power")
            self.job = self.scheduler.run_every(self.tick, 3600)

        def note(self, name):
            self.threads[name] = threading.current_thread()

        def changed(self, event: StateChanged):
            self.note("handler")
            self.logger.warning("changed")
            result = self.api.call_service("light", "turn_off", target="light.hall")
            self.seen.append(result.context_id)
            self.scheduler.run_in(self.later, 0)

        def later(self):
            self.note("job")
            raise ValueError("no")

        def tick(self):
            pass

        def on_error(self, context):
            self.note("on_error")
            self.api.call_service("light", "turn_on", target="light.hall")

        def on_shutdown(self):
            self.note("on_shutdown")
            self.seen.append(self.api.get_state("light.hall").state)
"""


async def test_every_part_of_a_sync_app_runs_in_a_thread_and_its_calls_return_results(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LIGHT) as place:
        app = place.app()
        states = place.home.core.states
        assert states["light.hall"]["state"] == "on"
        place.home.core.change("sensor.power", "777")
        # The job may end before the handler that scheduled it, so the records have no fixed order.
        by_status = {record.status: record for record in await place.records(2)}
        await eventually(lambda: states["light.hall"]["state"] == "on" and "on_error" in app.threads)
        assert by_status.keys() == {Status.SUCCESS, Status.ERROR}
        handler = by_status[Status.SUCCESS]
        assert handler.effects is not None
        (call,) = handler.effects.service_calls
        assert (call.domain, call.service, call.context_id) == ("light", "turn_off", app.seen[1])
        assert [line.message for line in handler.effects.log_lines] == ["changed"]
        assert app.job.active
    assert app.seen[0] is None
    assert app.seen[2:] == ["on"]
    assert {name: thread.name.rpartition("-")[0] for name, thread in app.threads.items()} == {
        "init": "hassette-app",
        "on_initialize": "hassette-app",
        "handler": "hassette-run",
        "job": "hassette-run",
        "on_error": "hassette-hook",
        "on_shutdown": "hassette-app",
    }


NESTED = """
    class App1(SyncApp[AppConfig]):
        def on_initialize(self):
            self.depths = []
            self.bus.on_state_change(self.changed, "sensor.power")

        def changed(self, new: NewState):
            depth = int(float(new.state))
            self.depths.append(depth)
            if depth < 40:
                self.api.set_state("sensor.power", depth + 1)
                while len(self.depths) <= depth:  # the handler of the effect runs while this handler waits
                    self.time.sleep(0.001)
"""


async def test_handler_may_wait_for_the_handler_that_its_own_call_has_triggered(tmp_path: Path) -> None:
    async with whole_home(tmp_path, NESTED, executor={"threads": 1}) as place:
        place.home.core.change("sensor.power", "1")
        records = await place.records(40)
        assert {record.status for record in records} == {Status.SUCCESS}
        assert place.app().depths == list(range(1, 41))


MANY = """
    class App1(SyncApp[AppConfig]):
        def on_initialize(self):
            for number in range(200):
                self.bus.on_event(self.called, "go", name=f"called_{number}")

        def called(self):
            self.api.call_service("light", "turn_on", target="light.hall")
"""


async def test_two_hundred_handlers_call_a_service_at_once(tmp_path: Path) -> None:
    async with whole_home(tmp_path, MANY, executor={"threads": 2}) as place:
        place.home.core.fire("go", {})
        records = await place.records(200)
        assert {record.status for record in records} == {Status.SUCCESS}
        assert all(record.effects is not None and len(record.effects.service_calls) == 1 for record in records)


REFUSED = """
    class App1(SyncApp[AppConfig]):
        def on_initialize(self):
            self.problems = []
            for register in (
                lambda: self.bus.on_event(self.coroutine, "go"),
                lambda: self.scheduler.run_in(self.coroutine, 1),
                lambda: self.bus.on_event(self.called, "go", debounce=-1),
            ):
                try:
                    register()
                except RegistrationError as error:
                    self.problems.append(str(error))
            self.bus.on_event(self.called, "go", where=lambda event: self.api.get_states())
            self.bus.on_event(self.called, "later", where=lambda event: self.time.is_between("00:00", "23:59:59"))

        async def coroutine(self):
            pass

        def called(self):
            pass
"""


async def test_async_handler_and_wrong_option_are_refused_with_an_explanation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with whole_home(tmp_path, REFUSED) as place:
        first, second, third = place.app().problems
        assert first == second
        assert first == (
            "the handler of a SyncApp must be a plain `def`, got the `async def` App1.coroutine; write `def`, or derive"
            " the app from App"
        )
        assert "debounce must be" in third
        place.home.core.fire("go", {})
        line = "Condition of a listener failed; the event is skipped and the listener stays registered"
        await eventually(lambda: line in caplog.messages)
        (record,) = [record for record in caplog.records if record.message == line]
        assert "self.api.get_states waits for the event loop" in vars(record)["error"]
        place.home.core.fire("later", {})
        assert [record.status for record in await place.records(1)] == [Status.SUCCESS]


OWN_THREAD = """
    class App1(SyncApp[AppConfig]):
        def on_initialize(self):
            self.results = []
            self.stopped = threading.Event()
            self.thread = threading.Thread(target=self.work)
            self.thread.start()

        def work(self):
            self.results.append(self.api.get_state("light.hall").entity_id)
            self.bus.on_event(self.heard, "go")
            self.results.append("waits")
            try:
                self.time.sleep(3600)
            except LoopCallsClosedError as error:
                self.results.append(str(error))
            try:
                self.api.get_state("light.hall")
            except LoopCallsClosedError as error:
                self.results.append(str(error))

        def heard(self):
            self.results.append("heard")
"""


async def test_thread_of_the_app_itself_may_call_until_the_app_stops(tmp_path: Path) -> None:
    async with whole_home(tmp_path, OWN_THREAD) as place:
        app = place.app()
        await eventually(lambda: app.results == ["light.hall", "waits"])
        place.home.core.fire("go", {})
        await place.records(1)
    await asyncio.to_thread(app.thread.join, patience(20))
    assert not app.thread.is_alive()
    after = "was called after the app had stopped; end the threads of an app in its on_shutdown"
    assert app.results[2:] == ["heard", f"self.time.sleep {after}", f"self.api.get_state {after}"]


CANCELLED = """
    class App1(SyncApp[AppConfig]):
        def on_initialize(self):
            self.log = []
            self.bus.on_event(self.restarted, "restart", mode="restart")
            self.bus.on_event(self.late, "late", timeout=1)  # the thread begins before, also on a busy machine
            self.bus.on_event(self.waits, "wait")

        def restarted(self, event):
            self.log.append(f"begins {event.data['number']}")
            try:
                self.time.sleep(3600 if event.data["number"] == 1 else 0)
            finally:
                self.api.call_service("light", "turn_off", target="light.hall")
                self.log.append(f"ends {event.data['number']}")

        def late(self):
            self.time.sleep(3600)

        def waits(self):
            self.log.append("waits")
            try:
                self.time.sleep(3600)
            except asyncio.CancelledError:
                self.log.append("cancelled")
                raise
"""


async def test_run_that_is_replaced_ends_at_its_call_before_the_next_run_begins(tmp_path: Path) -> None:
    async with whole_home(tmp_path, CANCELLED) as place:
        place.home.core.fire("restart", {"number": 1})
        await eventually(lambda: place.app().log == ["begins 1"])
        place.home.core.fire("restart", {"number": 2})
        first, second = await place.records(2)
        assert place.app().log == ["begins 1", "ends 1", "begins 2", "ends 2"]
        assert (first.status, second.status) == (Status.CANCELLED, Status.SUCCESS)
        assert first.effects is not None
        assert [call.service for call in first.effects.service_calls] == ["turn_off"]


async def test_run_that_exceeds_its_deadline_at_a_call_shows_the_line(tmp_path: Path) -> None:
    async with whole_home(tmp_path, CANCELLED) as place:
        place.home.core.fire("late", {})
        (record,) = await place.records(1)
        assert record.status is Status.TIMED_OUT
        assert record.failure is not None
        assert record.failure.frames[0].function == "App1.late"
        await eventually(lambda: place.hassette.executor.threads_at_work == 0)


async def test_stop_ends_a_run_that_waits_for_the_event_loop(tmp_path: Path) -> None:
    async with whole_home(tmp_path, CANCELLED, hassette={"stop_budget_s": 2}) as place:
        place.home.core.fire("wait", {})
        app = place.app()
        await eventually(lambda: app.log == ["waits"])
    assert app.log == ["waits", "cancelled"]
    (record,) = place.sink.records
    assert record.status is Status.CANCELLED


FAILING = """
    class App1(SyncApp[AppConfig]):
        def on_initialize(self):
            self.api.call_service("light", "does_not_exist")

    class App2(SyncApp[AppConfig]):
        def on_initialize(self):
            raise SystemExit(3)

    class App3(SyncApp[AppConfig]):
        async def on_initialize(self):
            self.api.get_states()

    class App4(SyncApp[AppConfig]):
        def on_initialize(self):
            self.bus.on_event(self.heard, "go")

        def heard(self):
            raise KeyboardInterrupt

        def on_shutdown(self):
            raise ValueError("no")
"""


async def test_failures_of_a_sync_app_concern_only_this_app(tmp_path: Path) -> None:
    async with whole_home(tmp_path, FAILING) as place:
        statuses = {status.app_key: status for status in place.hassette.apps.statuses}
        assert {key: status.status for key, status in statuses.items()} == {
            **dict.fromkeys(["app1", "app2", "app3"], "retrying"),
            "app4": "running",
        }
        assert "does_not_exist" in statuses["app1"].detail
        assert "SystemExit" in statuses["app2"].detail
        assert "self.api.get_states waits for the event loop" in statuses["app3"].detail
        place.home.core.fire("go", {})
        (record,) = await place.records(1)
        assert record.failure is not None
        assert record.failure.type == "KeyboardInterrupt"
    assert statuses["app4"].status == "stopped"
    assert ("app4.app4", "on_shutdown failed: ValueError: no") in await place.lifecycle("app_stopped")


OTHERS = """
    class App1(App[AppConfig]):
        async def ask(self, text):
            await asyncio.sleep(0)
            return text.upper()

    class App2(SyncApp[AppConfig]):
        def on_initialize(self):
            self.seen = []

        def slow(self):
            self.time.sleep(0.001)
            return threading.current_thread().name

    class App3(SyncApp[AppConfig]):
        depends_on = ["app1", "app2"]

        def on_initialize(self):
            self.answers = [self.wait(self.apps.get("app1").ask("hello")), self.apps.get("app2").slow()]
            self.bus.on_event(self.handler, "go")

        def handler(self):
            self.answers += [self.wait(self.apps.get("app1").ask("again")), self.apps.get("app2").slow()]
"""


async def test_sync_app_calls_methods_of_async_and_of_sync_apps(tmp_path: Path) -> None:
    async with whole_home(tmp_path, OTHERS, executor={"threads": 1}) as place:
        place.home.core.fire("go", {})
        (record,) = await place.records(1)
        assert record.status is Status.SUCCESS
        app = next(app for number in range(3) if hasattr(app := place.app(number), "answers"))
        first, init_thread, second, run_thread = app.answers
    assert (first, second) == ("HELLO", "AGAIN")
    assert init_thread.startswith("hassette-app")
    assert run_thread.startswith("hassette-run")
