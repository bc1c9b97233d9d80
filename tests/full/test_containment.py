"""No exception of an app ends the process. A signal always ends it, within the stop budget."""

import signal
import textwrap
from pathlib import Path

import pytest

from hassette_core.cli.process import EXIT_LIMIT_S
from hassette_core.cli.stop_guard import OVERRUN_S
from support.history_file import HistoryFile
from support.processes import Process, Start
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(180)

STOP_BUDGET_S = 9

HEAD = """
import asyncio, sys, threading, time
from hassette_core import App, AppConfig

class GoneError(BaseException):
    pass

def leave(kind):
    if kind == "sys.exit":
        sys.exit(2)
    if kind == "group":
        raise BaseExceptionGroup("gone", [SystemExit(3)])
    raise {"exit": SystemExit, "text": SystemExit("bye"), "interrupt": KeyboardInterrupt, "generator": GeneratorExit,
           "cancelled": asyncio.CancelledError, "own": GoneError, "stop": StopIteration, "memory": MemoryError,
           "recursion": RecursionError}[kind]

async def leave_later(kind):
    await asyncio.sleep(0)
    leave(kind)
"""
KINDS = (
    "('sys.exit', 'exit', 'text', 'group', 'interrupt', 'generator', 'cancelled', 'own', 'stop', 'memory', 'recursion')"
)

HEALTHY = """
from hassette_core import App, AppConfig

class Listener(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.count, "sensor.load_*")

    async def count(self) -> None:
        self.logger.info("the healthy app ran")
"""


def write_apps(folder: Path, bad: str) -> Path:
    """Write a healthy app and a bad one, and return the configuration file."""
    (folder / "apps" / "listener.py").write_text(HEALTHY, encoding="utf-8")
    (folder / "apps" / "bad.py").write_text(HEAD + textwrap.dedent(bad), encoding="utf-8")
    file = folder / "hassette.toml"
    file.write_text(
        '[apps.listener]\nmodule = "listener"\nclass = "Listener"\n[apps.bad]\nmodule = "bad"\nclass = "Bad"\n',
        encoding="utf-8",
    )
    return file


def start_demo(start: Start, file: Path, history: HistoryFile, *options: object, rate: int = 5) -> Process:
    process = start(
        *["demo", "--config", file, "--data-dir", history.file.parent, "--port", 0],
        *["--speed", 0, "--events-per-second", rate, *options],
    )
    process.wait_for("Home Assistant connected")
    return process


def stop_clean(process: Process, history: HistoryFile) -> None:
    process.signal(signal.SIGTERM)
    assert process.end() == 0, process.output
    (session,) = history.sessions()
    assert (session["outcome"], session["reason"]) == ("clean", "SIGTERM")


PLACES = {
    "async handlers": f"""
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                for kind in {KINDS}:
                    async def handler(kind=kind): leave(kind)
                    self.bus.on_state_change(handler, "sensor.load_*", name=kind)
        """,
    "handlers in threads": f"""
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                for kind in {KINDS}:
                    def handler(kind=kind): leave(kind)
                    self.bus.on_state_change(handler, "sensor.load_*", name=kind)
        """,
    "jobs": f"""
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                for kind in {KINDS}:
                    async def job(kind=kind): leave(kind)
                    self.scheduler.run_every(job, 0.2, name=kind)
        """,
    "conditions": f"""
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                for kind in {KINDS}:
                    def leaving(_, kind=kind): leave(kind)
                    self.bus.on_state_change(self.run, "sensor.load_*", name=kind, where=leaving)
                    self.bus.on_state_change(self.run, "sensor.load_*", name=f"{{kind}} to", changed_to=leaving)
                self.bus.on_state_change(self.run, "sensor.load_*", name="self", where=self.cancel)
            def cancel(self, _):
                asyncio.current_task().cancel()
                return False
            async def run(self): ...
        """,
    "error hooks": f"""
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                for kind in {KINDS}:
                    async def hook(_, kind=kind): leave(kind)
                    def plain(_, kind=kind): leave(kind)
                    self.bus.on_state_change(self.fail, "sensor.load_*", name=kind, on_error=hook)
                    self.bus.on_state_change(self.fail, "sensor.load_*", name=f"{{kind}} plain", on_error=plain)
                self.bus.on_state_change(self.fail, "sensor.load_*")
            async def fail(self): 1 / 0
            async def on_error(self, _):
                asyncio.current_task().cancel()
                await asyncio.sleep(0)
        """,
    "tasks of the app": f"""
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                self.tasks = [asyncio.create_task(leave_later(kind)) for kind in {KINDS}]
                self.bus.on_state_change(self.run, "sensor.load_*")
            async def run(self):
                self.tasks = [asyncio.create_task(leave_later(kind)) for kind in {KINDS}]
                self.tasks.append(asyncio.Task(leave_later("sys.exit")))
                async with asyncio.TaskGroup() as group:
                    group.create_task(leave_later("sys.exit"))
        """,
    "callbacks": f"""
        async def endless():
            try:
                while True:
                    yield 1
            finally:
                leave("exit")
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                self.bus.on_state_change(self.run, "sensor.load_*")
            async def run(self):
                loop = asyncio.get_running_loop()
                for kind in {KINDS}:
                    loop.call_soon(leave, kind)
                    loop.call_later(0.01, leave, kind)
                    loop.call_soon_threadsafe(leave, kind)
                    asyncio.create_task(asyncio.sleep(0)).add_done_callback(lambda _, kind=kind: leave(kind))
                async for _ in endless():
                    break
                loop.stop()
        """,
    "cancellation of all tasks": """
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                self.bus.on_state_change(self.run, "sensor.load_*")
            async def run(self):
                for task in asyncio.all_tasks():
                    task.cancel()
                await asyncio.sleep(0)
        """,
    "deadline of a run that waits for all tasks": """
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                self.scheduler.run_in(self.run, 0, timeout=0.5)
            async def run(self):
                await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        """,
    "finalizers": """
        class Lamp:
            def __del__(self): leave("exit")
            def __enter__(self): return self
            def __exit__(self, *_): leave("exit")
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                self.bus.on_state_change(self.run, "sensor.load_*")
            async def run(self):
                Lamp()
                with Lamp(): pass
        """,
}


@pytest.mark.parametrize("place", PLACES)
def test_app_that_calls_sys_exit_does_not_end_the_process(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, place: str
) -> None:
    process = start_demo(start, write_apps(tmp_path, PLACES[place]), history)
    for _ in range(20):
        process.wait_for("the healthy app ran")
    stop_clean(process, history)
    # The simulated home runs in the same process. The tasks that aiohttp's server creates cannot be protected from
    # cancellation, so the connection may be lost.
    assert place == "cancellation of all tasks" or "Connection to Home Assistant lost" not in process.output
    assert "Service crashed" not in process.output
    assert place == "finalizers" or "bad.bad" in process.output or "('bad', 'bad'" in process.output


def test_fifty_handlers_that_exit_at_once_are_fifty_failed_runs(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path
) -> None:
    bad = """
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                for number in range(50):
                    self.bus.on_state_change(self.leave, "sensor.load_*", name=f"leave_{number}")
            async def leave(self):
                await asyncio.sleep(0.01)
                sys.exit(0)
        """
    process = start_demo(start, write_apps(tmp_path, bad), history, rate=1)
    failed = "SELECT DISTINCT listener_id FROM handler_invocations WHERE status <> 0"
    wait_until(lambda: len(history.rows(failed)) == 50, 60, "50 failed runs in the history")
    process.wait_for("the healthy app ran")
    stop_clean(process, history)


SELF_CANCEL = "asyncio.current_task().cancel(); await asyncio.sleep(0)"
STARTS = {
    "import": ("leave('sys.exit')", "class Bad(App[AppConfig]): ..."),
    "class body": ("", "class Bad(App[AppConfig]):\n    leave('interrupt')"),
    "__init__": ("", "class Bad(App[AppConfig]):\n    def __init__(self, *_, **__): leave('exit')"),
    "on_initialize": ("", "class Bad(App[AppConfig]):\n    async def on_initialize(self): leave('own')"),
    "plain on_initialize": ("", "class Bad(App[AppConfig]):\n    def on_initialize(self): leave('stop')"),
    "self-cancel": ("", f"class Bad(App[AppConfig]):\n    async def on_initialize(self): {SELF_CANCEL}"),
    "self-cancel at the end": (
        "",
        "class Bad(App[AppConfig]):\n    async def on_initialize(self): asyncio.current_task().cancel()",
    ),
    "task group": (
        "",
        (
            "class Bad(App[AppConfig]):\n    async def on_initialize(self):\n"
            "        async with asyncio.TaskGroup() as group: group.create_task(leave_later('sys.exit'))"
        ),
    ),
}


@pytest.mark.parametrize("place", STARTS)
def test_app_that_exits_or_cancels_itself_at_its_start_has_failed_and_the_others_run(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, place: str
) -> None:
    process = start_demo(start, write_apps(tmp_path, "\n".join(STARTS[place])), history)
    process.wait_for("the healthy app ran")
    stop_clean(process, history)
    starts = "SELECT subject FROM lifecycle_events WHERE kind IN ('app_started', 'app_failed') ORDER BY subject"
    assert [row["subject"].partition(".")[0] for row in history.rows(starts)] == ["bad", "listener"]
    assert process.output.count("App failed") == 1


SHUTDOWNS = {
    "it takes too long": ("await asyncio.sleep(600)", "it took longer than"),
    "it raises": ("1 / 0", "ZeroDivisionError"),
    "it exits": ("sys.exit(3)", "SystemExit: 3"),
    "it cancels itself": (SELF_CANCEL, "it was cancelled by code of the app"),
    "it sleeps and blocks the loop": ("time.sleep(600)", "AppBlockedError"),
    "it never returns": ("while True: pass", "AppBlockedError"),
    "it never returns and catches errors": (
        "while True:\n            try: time.sleep(600)\n            except Exception: pass",
        "AppBlockedError",
    ),
    "it blocks in one call that keeps the interpreter lock": (
        "__import__('re').match('(a+)+$', 'a' * 60 + 'b')",
        "AppBlockedError",
    ),
    "it ignores its cancellation": (
        "while True:\n            try: await asyncio.sleep(600)\n            except asyncio.CancelledError: pass",
        "App ignores its cancellation and is still running",
    ),
}


@pytest.mark.parametrize("how", ["signal", "seconds"])
@pytest.mark.parametrize("body", SHUTDOWNS)
def test_on_shutdown_that_fails_or_hangs_is_logged_by_app_and_the_process_ends_within_the_stop_budget(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, body: str, how: str
) -> None:
    code, problem = SHUTDOWNS[body]
    bad = f"class Bad(App[AppConfig]):\n    async def on_shutdown(self):\n        {code}\n"
    options = ["--seconds", "2"] if how == "seconds" else []
    process = start_demo(start, write_apps(tmp_path, bad), history, *options)
    process.wait_for("the healthy app ran")
    if how == "signal":
        process.signal(signal.SIGTERM)
    assert process.end() == 0, process.output
    (session,) = history.sessions()
    assert session["outcome"] == "clean"
    (line,) = [line for line in process.output.splitlines() if "App failed to shut down" in line]
    assert "bad.bad" in line
    assert problem in process.output
    (event,) = history.rows("SELECT detail FROM lifecycle_events WHERE kind = 'app_stopped' AND subject = 'bad.bad'")
    assert event["detail"].startswith("on_shutdown failed")


STAY = """
    async def stay(self):
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                {after}
"""
RUNS = {
    "a handler that never returns": "async def run(self):\n        self.began()\n        while True: pass",
    "a handler in a thread that never returns": "def run(self):\n        self.began()\n        time.sleep(600)",
    "a handler that ignores its cancellation": "async def run(self):\n        self.began()\n"
    "        await self.stay()\n" + STAY.format(after="pass"),
    "a task that ignores its cancellation": "async def run(self):\n        self.began()\n"
    "        self.task = asyncio.create_task(self.stay())\n" + STAY.format(after="pass"),
    "a task that exits when it is cancelled": "async def run(self):\n        self.began()\n"
    "        self.task = asyncio.Task(self.stay())\n" + STAY.format(after="sys.exit(4)"),
    "a thread that never ends": "async def run(self):\n        self.began()\n"
    "        self.task = asyncio.create_task(asyncio.to_thread(time.sleep, 600))",
}


@pytest.mark.parametrize("run", RUNS)
def test_process_ends_within_the_stop_budget_whatever_still_runs(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, run: str
) -> None:
    bad = (
        "class Bad(App[AppConfig]):\n    async def on_initialize(self):\n"
        "        self.scheduler.run_in(self.run, 0.5)\n"
        f"    def began(self): self.logger.warning('it began')\n    {RUNS[run]}\n"
    )
    process = start_demo(start, write_apps(tmp_path, bad), history, "--seconds", "600")
    process.wait_for("it began")
    process.signal(signal.SIGTERM)
    assert process.end(STOP_BUDGET_S + OVERRUN_S + EXIT_LIMIT_S) == 0, process.output
    (session,) = history.sessions()
    assert session["outcome"] == "clean"


def test_process_ends_even_if_one_call_never_releases_the_interpreter(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path
) -> None:
    bad = "class Bad(App[AppConfig]):\n    async def on_shutdown(self):\n        sum(range(10**13))\n"
    process = start_demo(start, write_apps(tmp_path, bad), history, "--seconds", "600")
    process.wait_for("the healthy app ran")
    process.signal(signal.SIGTERM)
    assert process.end(STOP_BUDGET_S + OVERRUN_S + EXIT_LIMIT_S) == 1
    assert "on_shutdown" in process.output


HANDLERS = {
    "a handler that raises": "class Broken(logging.Handler):\n    def emit(self, record): raise ValueError('broken')\n",
    "a handler that exits": "class Broken(logging.Handler):\n    def emit(self, record): sys.exit(3)\n",
    "a filter that raises": (
        "class Broken(logging.StreamHandler):\n    def filter(self, record): raise ValueError('broken')\n"
    ),
}


@pytest.mark.parametrize("kind", HANDLERS)
def test_broken_logging_handler_of_an_app_does_not_prevent_the_stop(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, kind: str
) -> None:
    bad = (
        f"import logging\n{HANDLERS[kind]}"
        "class Bad(App[AppConfig]):\n    async def on_initialize(self):\n"
        "        self.scheduler.run_in(self.run, 0.5)\n"
        "    async def run(self): logging.getLogger().addHandler(Broken())\n"
        "    async def on_shutdown(self): self.logger.info('the app was shut down')\n"
    )
    process = start_demo(start, write_apps(tmp_path, bad), history, "--seconds", "600")
    process.wait_for("Logging error")
    process.signal(signal.SIGTERM)
    assert process.end() == 0, process.output
    assert "the app was shut down" in process.output
    assert process.output.count("Logging error") == 1
    (session,) = history.sessions()
    assert session["outcome"] == "clean"


@pytest.mark.parametrize("call", ["while True: pass", "__import__('re').match('(a+)+$', 'a' * 60 + 'b')"])
def test_demo_ends_after_its_time_even_if_a_handler_blocks_the_event_loop(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, call: str
) -> None:
    bad = (
        "class Bad(App[AppConfig]):\n    async def on_initialize(self):\n"
        "        self.scheduler.run_in(self.run, 0.5)\n"
        f"    async def run(self):\n        {call}\n"
    )
    process = start_demo(start, write_apps(tmp_path, bad), history, "--seconds", "2")
    assert process.end(2 + STOP_BUDGET_S + OVERRUN_S + EXIT_LIMIT_S) == 0, process.output
    assert "bad.bad.run failed" in process.output
    (session,) = history.sessions()
    assert session["outcome"] == "clean"


def test_app_that_removes_the_handler_of_the_alarm_signal_does_not_end_the_process(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path
) -> None:
    bad = (
        "import signal\nclass Bad(App[AppConfig]):\n    async def on_initialize(self):\n"
        "        signal.signal(signal.SIGALRM, signal.SIG_DFL)\n"
        "    async def on_shutdown(self): time.sleep(600)\n"
    )
    process = start_demo(start, write_apps(tmp_path, bad), history, "--seconds", "600")
    process.wait_for("the healthy app ran")
    process.signal(signal.SIGTERM)
    assert process.end() == 0, process.output
    assert "AppBlockedError" in process.output


SIGNAL_HANDLERS = {
    "another handler": "signal.signal(signal.SIGTERM, lambda *_: None)",
    "no handler": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "the default handler": "signal.signal(signal.SIGTERM, signal.SIG_DFL)",
    "a handler of the event loop": "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)",
    "a handler that is set with an imported function": "__import__('hassette_apps.bad').bad.set_handler(15, print)",
}


@pytest.mark.parametrize("kind", SIGNAL_HANDLERS)
def test_app_that_replaces_the_handler_of_a_signal_does_not_prevent_the_stop(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, kind: str
) -> None:
    bad = (
        "import signal\nfrom signal import signal as set_handler\n"
        "class Bad(App[AppConfig]):\n    async def on_initialize(self):\n"
        f"        {SIGNAL_HANDLERS[kind]}\n"
    )
    process = start_demo(start, write_apps(tmp_path, bad), history, "--seconds", "600")
    process.wait_for("the healthy app ran")
    stop_clean(process, history)
    assert "App tried to replace the handler of a signal" in process.output
    assert "app=bad.bad" in process.output
