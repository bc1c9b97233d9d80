"""Apps without async and await: their handlers, jobs and hooks run in threads, and their calls block."""

from pathlib import Path

from hassette_core import Status
from support.waiting import eventually
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
        first, second = await place.records(2)
        await eventually(lambda: states["light.hall"]["state"] == "on" and "on_error" in app.threads)
        assert (first.status, second.status) == (Status.SUCCESS, Status.ERROR)
        assert first.effects is not None
        (call,) = first.effects.service_calls
        assert (call.domain, call.service, call.context_id) == ("light", "turn_off", app.seen[1])
        assert [line.message for line in first.effects.log_lines] == ["changed"]
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
