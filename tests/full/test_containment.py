"""No exception of an app ends the process. A signal always ends it, within the stop budget."""

import signal
import textwrap
from pathlib import Path

import pytest

from hassette_core.cli.demo import START_LIMIT_S
from hassette_core.cli.process import EXIT_LIMIT_S
from hassette_core.cli.stop_guard import OVERRUN_S
from support.history_file import HistoryFile
from support.processes import Process, Start
from support.waiting import wait_until

pytestmark = [pytest.mark.timeout(180), pytest.mark.heavy]

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


def write_apps(folder: Path, bad: str | dict[str, str]) -> Path:
    """Write a healthy app and bad apps, and return the configuration file.

    Args:
        folder: The folder of the configuration file.
        bad: The code of one app, which is called ``bad``, or the code of several apps by name.
    """
    codes = {"bad": bad} if isinstance(bad, str) else bad
    (folder / "apps" / "listener.py").write_text(HEALTHY, encoding="utf-8")
    tables = ['[apps.listener]\nmodule = "listener"\nclass = "Listener"\n']
    for name, code in codes.items():
        (folder / "apps" / f"{name}.py").write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
        tables.append(f'[apps.{name}]\nmodule = "{name}"\nclass = "Bad"\n')
    file = folder / "hassette.toml"
    file.write_text("".join(tables), encoding="utf-8")
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
    "async_handlers": f"""
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                for kind in {KINDS}:
                    async def handler(kind=kind): leave(kind)
                    self.bus.on_state_change(handler, "sensor.load_*", name=kind)
        """,
    "handlers_in_threads": f"""
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
    "error_hooks": f"""
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
    "tasks_of_the_app": f"""
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
ALL_TASKS = {
    "an app cancels them": """
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                self.bus.on_state_change(self.run, "sensor.load_*")
            async def run(self):
                for task in asyncio.all_tasks():
                    task.cancel()
                await asyncio.sleep(0)
        """,
    "the deadline of a run that waits for them": """
        class Bad(App[AppConfig]):
            async def on_initialize(self):
                self.scheduler.run_in(self.run, 0, timeout=0.5)
            async def run(self):
                others = asyncio.all_tasks() - {asyncio.current_task()}
                await asyncio.gather(*others, return_exceptions=True)
        """,
}


def test_apps_that_call_sys_exit_anywhere_do_not_end_the_process(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path
) -> None:
    process = start_demo(start, write_apps(tmp_path, PLACES), history)
    for _ in range(20):
        process.wait_for("the healthy app ran")
    stop_clean(process, history)
    assert "Connection to Home Assistant lost" not in process.output
    assert "Service crashed" not in process.output
    # Python itself logs an exception of a finalizer, and does not know the app.
    named = PLACES.keys() - {"finalizers"}
    assert [
        name for name in named if f"{name}.{name}" not in process.output and f"'{name}'" not in process.output
    ] == []


@pytest.mark.parametrize("how", ALL_TASKS)
def test_app_that_cancels_all_tasks_does_not_end_the_process(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, how: str
) -> None:
    # The simulated home runs in the same process. The tasks that aiohttp's server creates cannot be protected from
    # cancellation (since Python 3.12, it creates them without the task factory), so the connection may be lost.
    process = start_demo(start, write_apps(tmp_path, ALL_TASKS[how]), history)
    for _ in range(20):
        process.wait_for("the healthy app ran")
    stop_clean(process, history)
    assert "Service crashed" not in process.output
    assert "bad.bad" in process.output


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
    "import": "leave('sys.exit')\nclass Bad(App[AppConfig]): ...",
    "class_body": "class Bad(App[AppConfig]):\n    leave('interrupt')",
    "init": "class Bad(App[AppConfig]):\n    def __init__(self, *_, **__): leave('exit')",
    "on_initialize": "class Bad(App[AppConfig]):\n    async def on_initialize(self): leave('own')",
    "plain_on_initialize": "class Bad(App[AppConfig]):\n    def on_initialize(self): leave('stop')",
    "self_cancel": f"class Bad(App[AppConfig]):\n    async def on_initialize(self): {SELF_CANCEL}",
    "self_cancel_at_the_end": (
        "class Bad(App[AppConfig]):\n    async def on_initialize(self): asyncio.current_task().cancel()"
    ),
    "task_group": (
        "class Bad(App[AppConfig]):\n    async def on_initialize(self):\n"
        "        async with asyncio.TaskGroup() as group: group.create_task(leave_later('sys.exit'))"
    ),
}
"""The module of an app by the place at which it exits or cancels itself during its start."""


def test_apps_that_exit_or_cancel_themselves_at_their_start_have_failed_and_the_others_run(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path
) -> None:
    process = start_demo(start, write_apps(tmp_path, STARTS), history)
    process.wait_for("the healthy app ran")
    stop_clean(process, history)
    starts = history.rows("SELECT kind, subject FROM lifecycle_events WHERE kind IN ('app_started', 'app_failed')")
    failed = {row["subject"].partition(".")[0] for row in starts if row["kind"] == "app_failed"}
    started = {row["subject"] for row in starts if row["kind"] == "app_started"}
    assert (failed, started) == (STARTS.keys(), {"listener.listener"})
    assert process.output.count("App failed") == len(STARTS)


SHUTDOWNS = {
    "it takes too long": ("await asyncio.sleep(600)", "it took longer than"),
    "it raises": ("1 / 0", "ZeroDivisionError"),
    "it exits": ("sys.exit(3)", "SystemExit: 3"),
    "it cancels itself": (SELF_CANCEL, "it was cancelled by code of the app"),
    "it ignores its cancellation": (
        "while True:\n            try: await asyncio.sleep(600)\n            except asyncio.CancelledError: pass",
        "App ignores its cancellation and is still running",
    ),
}
BLOCKED_SHUTDOWNS = {
    "it sleeps and blocks the loop": "time.sleep(600)",
    "it never returns": "while True: pass",
    "it never returns and catches errors": (
        "while True:\n            try: time.sleep(600)\n            except Exception: pass"
    ),
    "it blocks in one call that keeps the interpreter lock": "__import__('re').match('(a+)+$', 'a' * 60 + 'b')",
}
HOW = ["signal", pytest.param("seconds", marks=pytest.mark.long)]


def end_with_failed_shutdowns(
    start: Start, folder: Path, history: HistoryFile, codes: dict[str, str], how: str
) -> Process:
    """Run apps whose ``on_shutdown`` fails, stop the process, and check that the log and history name each app.

    Args:
        start: Starts the process.
        folder: The folder of the configuration file.
        history: The history of the process.
        codes: The code of each app's ``on_shutdown``, by the name of the app.
        how: ``signal`` or ``seconds``, the option of the demo.
    """
    apps = {
        name: f"class Bad(App[AppConfig]):\n    async def on_shutdown(self):\n        {code}\n"
        for name, code in codes.items()
    }
    options = ["--seconds", "2"] if how == "seconds" else []
    process = start_demo(start, write_apps(folder, apps), history, *options)
    process.wait_for("the healthy app ran")
    if how == "signal":
        process.signal(signal.SIGTERM)
    assert process.end() == 0, process.output
    (session,) = history.sessions()
    assert session["outcome"] == "clean"
    lines = [line for line in process.output.splitlines() if "App failed to shut down" in line]
    assert len(lines) == len(codes)
    events = history.rows("SELECT subject, detail FROM lifecycle_events WHERE kind = 'app_stopped'")
    details = {row["subject"]: row["detail"] for row in events}
    for name in codes:
        assert any(f"{name}.{name}" in line for line in lines)
        assert details[f"{name}.{name}"].startswith("on_shutdown failed")
    return process


@pytest.mark.parametrize("how", HOW)
def test_on_shutdown_that_fails_or_hangs_is_logged_by_app_and_the_process_ends_within_the_stop_budget(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, how: str
) -> None:
    codes = {f"bad_{number}": code for number, (code, _) in enumerate(SHUTDOWNS.values())}
    process = end_with_failed_shutdowns(start, tmp_path, history, codes, how)
    assert [problem for _, problem in SHUTDOWNS.values() if problem not in process.output] == []


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("body", BLOCKED_SHUTDOWNS)
def test_on_shutdown_that_blocks_the_loop_is_logged_by_app_and_the_process_ends_within_the_stop_budget(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, body: str, how: str
) -> None:
    process = end_with_failed_shutdowns(start, tmp_path, history, {"bad": BLOCKED_SHUTDOWNS[body]}, how)
    assert "AppBlockedError" in process.output


STAY = """
    async def stay(self):
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                {after}
"""
BLOCKING_RUN = "async def run(self):\n        self.began()\n        while True: pass"
RUNS = {
    "in_a_thread": "def run(self):\n        self.began()\n        time.sleep(600)",
    "handler_ignores_cancellation": "async def run(self):\n        self.began()\n"
    "        await self.stay()\n" + STAY.format(after="pass"),
    "task_ignores_cancellation": "async def run(self):\n        self.began()\n"
    "        self.task = asyncio.create_task(self.stay())\n" + STAY.format(after="pass"),
    "task_exits_when_cancelled": "async def run(self):\n        self.began()\n"
    "        self.task = asyncio.Task(self.stay())\n" + STAY.format(after="sys.exit(4)"),
    "thread_never_ends": "async def run(self):\n        self.began()\n"
    "        self.task = asyncio.create_task(asyncio.to_thread(time.sleep, 600))",
}
"""The job of an app by what still runs when the process stops."""


@pytest.mark.parametrize("runs", [RUNS, {"never_returns": BLOCKING_RUN}], ids=["in tasks and threads", "on the loop"])
def test_process_ends_within_the_stop_budget_whatever_still_runs(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, runs: dict[str, str]
) -> None:
    apps = {
        name: "class Bad(App[AppConfig]):\n    async def on_initialize(self):\n"
        "        self.scheduler.run_in(self.run, 0.5)\n"
        f"    def began(self): self.logger.warning('it began')\n    {code}\n"
        for name, code in runs.items()
    }
    process = start_demo(start, write_apps(tmp_path, apps), history, "--seconds", "600")
    for _ in runs:
        process.wait_for("it began")
    process.signal(signal.SIGTERM)
    assert process.end(STOP_BUDGET_S + OVERRUN_S + EXIT_LIMIT_S) == 0, process.output
    (session,) = history.sessions()
    assert session["outcome"] == "clean"


@pytest.mark.long
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
    "a handler that raises a KeyboardInterrupt": (
        "class Broken(logging.Handler):\n    def emit(self, record): raise KeyboardInterrupt\n"
    ),
    "a handler that raises a custom exception": (
        "class Broken(logging.Handler):\n    def emit(self, record): raise GoneError\n"
    ),
    "a filter that raises": (
        "class Broken(logging.StreamHandler):\n    def filter(self, record): raise ValueError('broken')\n"
    ),
}


@pytest.mark.parametrize(
    "kind",
    [
        "a handler that exits",
        *(pytest.param(kind, marks=pytest.mark.long) for kind in HANDLERS if kind != "a handler that exits"),
    ],
)
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


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("while True: pass", marks=pytest.mark.long),
        "__import__('re').match('(a+)+$', 'a' * 60 + 'b')",
    ],
)
def test_demo_ends_after_its_time_even_if_a_handler_blocks_the_event_loop(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path, call: str
) -> None:
    bad = (
        "class Bad(App[AppConfig]):\n    async def on_initialize(self):\n"
        "        self.scheduler.run_in(self.run, 0.5)\n"
        f"    async def run(self):\n        {call}\n"
    )
    process = start_demo(start, write_apps(tmp_path, bad), history, "--seconds", "2")
    # On a busy machine, the handler may block the loop before the page is ready.
    assert process.end(2 + START_LIMIT_S + STOP_BUDGET_S + OVERRUN_S + EXIT_LIMIT_S) == 0, process.output
    assert "bad.bad.run failed" in process.output
    (session,) = history.sessions()
    assert session["outcome"] == "clean"


@pytest.mark.long
@pytest.mark.timeout(120)
def test_demo_ends_even_if_an_app_blocks_the_event_loop_in_its_start(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path
) -> None:
    bad = "class Bad(App[AppConfig]):\n    async def on_initialize(self):\n        time.sleep(600)\n"
    process = start_demo(start, write_apps(tmp_path, bad), history, "--seconds", "2")
    process.end(2 + START_LIMIT_S + STOP_BUDGET_S + OVERRUN_S + EXIT_LIMIT_S)
    (session,) = history.sessions()
    assert session["outcome"] == "clean", process.output


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
    "another_handler": "signal.signal(signal.SIGTERM, lambda *_: None)",
    "no_handler": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "default_handler": "signal.signal(signal.SIGTERM, signal.SIG_DFL)",
    "handler_of_the_loop": "asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)",
    "imported_function": "__import__('hassette_apps.imported_function').imported_function.set_handler(15, print)",
}


def test_apps_that_replace_the_handler_of_a_signal_do_not_prevent_the_stop(
    start: Start, config_file: Path, history: HistoryFile, tmp_path: Path
) -> None:
    apps = {
        name: "import signal\nfrom signal import signal as set_handler\n"
        f"class Bad(App[AppConfig]):\n    async def on_initialize(self):\n        {code}\n"
        for name, code in SIGNAL_HANDLERS.items()
    }
    process = start_demo(start, write_apps(tmp_path, apps), history, "--seconds", "600")
    process.wait_for("the healthy app ran")
    stop_clean(process, history)
    tried = [line for line in process.output.splitlines() if "App tried to replace the handler of a signal" in line]
    assert [name for name in apps if not any(f"app={name}.{name}" in line for line in tried)] == []
