"""Questions in the terminal: a command of ``hassette`` for each, as text and as JSON."""

import asyncio
import io
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from hassette_sync.answers.apps import AppDetail
from hassette_sync.answers.asked import Asked
from hassette_sync.answers.comparison import Comparison
from hassette_sync.answers.explanations import Why, WhyNot
from hassette_sync.answers.logs import EventsPage, LogsPage, NotRunsPage
from hassette_sync.answers.overview import Timeline
from hassette_sync.answers.registrations import RegistrationDetail
from hassette_sync.answers.runs import RunningNow
from hassette_sync.answers.sessions import Uptime
from hassette_sync.answers.stream import LiveRun
from hassette_sync.cli import main
from hassette_sync.cli.plugin_command import TerminalCommand
from hassette_sync.terminal.colours import paint, shows_colours, styled
from support.history import NewHistory
from support.recorded_home import RecordedHome, call, change, recorded_home
from support.rows import Failure, Job, Listener, LogLine
from support.waiting import patience

COMMANDS: dict[str, TerminalCommand] = {
    point.name: point.load() for point in distribution("hassette-sync").entry_points.select(group="hassette.commands")
}
QUESTIONS = (
    *("ask", "why", "why-not", "apps", "app", "handler", "job", "runs", "show", "errors", "error", "logs", "events"),
    *("not-run", "timeline", "uptime", "running", "upcoming", "compare", "sessions", "status", "tail"),
)
MOTION = Listener("on_motion", "motion_light", "hall", topic="state_changed.binary_sensor.hall")
BACKUP = Job("nightly", "backup", "default")
ESC = "\x1b"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[RecordedHome]:
    """A light that an app turned on at second 10, a failure at second 20, and a trigger without a run at second 30."""
    async with recorded_home(tmp_path / "hassette.db") as home:
        motion = change("binary_sensor.hall", "off", "on", "device 1")
        logs = [LogLine(home.us(10), 30, "app", "The hall is dark")]
        home.run(10, MOTION, motion, calls=[call("light.turn_on", "light.hall", "ours 1")], logs=logs)
        home.changed(10.1, "light.hall", "off", "on", "ours 1")
        home.named("light.hall", "Hall light", "Hall")
        home.not_run(30, MOTION, "condition", "The sun was above the horizon.", motion)
        home.register(BACKUP)
        home.event(40, "connection_lost", "ws://home.test", "The socket closed.")
        home.deploy(5, "motion_light", "abc123")
        await home.write()
        yield home


Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return a function that runs a command about the history and returns its output; with ``--json``, its value."""

    async def ask(command: str, *arguments: str) -> Any:
        assert await asyncio.to_thread(COMMANDS[command], [*arguments, "--db", str(tmp_path)]) == 0
        output = capsys.readouterr().out
        return json.loads(output) if "--json" in arguments else output

    return ask


def test_every_question_is_a_command_of_hassette_with_an_example() -> None:
    assert set(QUESTIONS) <= set(COMMANDS)
    for name in QUESTIONS:
        command = COMMANDS[name].command
        target = command if name not in ("app", "job", "error") else command.commands["show"]  # type: ignore[attr-defined]
        with target.make_context(f"hassette {name}", [], resilient_parsing=True) as context:
            text = target.get_help(context)
        assert f"hassette {name}" in text.partition("Example")[2], name
        assert "Exit codes: 0 success" in text
        assert "--json" in text


@pytest.mark.parametrize(
    ("command", "arguments", "model"),
    [
        ("why", ["light.hall"], Why),
        ("why-not", ["motion_light.on_motion"], WhyNot),
        ("ask", ["did", "anything", "fail"], Asked),
        ("app", ["motion_light"], AppDetail),
        ("handler", ["motion_light.hall.on_motion"], RegistrationDetail),
        ("job", ["backup.nightly"], RegistrationDetail),
        ("logs", [], LogsPage),
        ("events", ["--routine"], EventsPage),
        ("not-run", [], NotRunsPage),
        ("timeline", ["--of", "motion_light.on_motion"], Timeline),
        ("uptime", [], Uptime),
        ("running", [], RunningNow),
        ("compare", ["--all"], Comparison),
        ("tail", ["--count", "1"], LiveRun),
    ],
)
async def test_answer_is_text_or_the_json_of_the_api(
    home: RecordedHome, ask: Ask, command: str, arguments: list[str], model: type[BaseModel]
) -> None:
    model.model_validate(await ask(command, *arguments, "--json"), strict=False)
    assert (await ask(command, *arguments)).strip()


async def test_why_shows_the_chain_back_to_the_first_cause(home: RecordedHome, ask: Ask) -> None:
    for arguments in (["light.hall"], ["Hall", "light"]):
        text = await ask("why", *arguments)
        assert "light.hall turned on at" in text or "Hall light turned on at" in text
        # Shortly after midnight, the times before the steps have a date.
        steps = [step[1] for line in text.splitlines() if (step := re.search(r"\d +([◆↳●])", line))]
        assert steps == ["◆", "↳", "↳", "●"]
        assert "your app: motion_light.hall.on_motion" in text
        assert "light.hall (Hall light, Hall) off → on" in text
    assert "called light.turn_on for light.hall" in await ask("why", "--service", "light.turn_on")
    assert "The hall is dark" in await ask("why", "--text", "hall is dark")


async def test_why_not_lists_the_checks_and_the_reason(home: RecordedHome, ask: Ask) -> None:
    text = await ask("why-not", "motion_light.on_motion", "--at", str(home.us(600)))
    assert "✓ Was it registered? Yes." in text
    assert "Was there a trigger? No" in text
    assert "The sun was above the horizon." in await ask("why-not", "motion_light")


async def test_time_of_a_list_may_be_a_moment(home: RecordedHome, ask: Ask, tmp_path: Path) -> None:
    assert "The hall is dark" in await ask("logs", "--at", str(home.us(60)))
    assert "No log line matches" in await ask("logs", "--at", str(home.us(900)))
    assert await asyncio.to_thread(COMMANDS["logs"], ["--at", "1h", "--since", "2h", "--db", str(tmp_path)]) == 2


async def test_list_that_a_filter_leaves_empty_does_not_claim_that_there_is_nothing(
    home: RecordedHome, ask: Ask
) -> None:
    assert (await ask("not-run", "--reason", "overlap")).startswith("No trigger without a run was found.")
    hidden = "Ordinary starts and stops are listed with --routine."
    assert (await ask("events", "--text", "no such word")).partition("\n")[0] == (
        f"No event matches. Try a longer time range or fewer filters. {hidden}"
    )
    assert hidden not in await ask("events", "--routine", "--text", "no such word")


async def test_error_without_a_message_is_shown_with_its_type(home: RecordedHome, ask: Ask) -> None:
    motion = change("binary_sensor.hall", "off", "on", "device 2")
    run = home.run(50, MOTION, motion, status="error", failure=Failure(type="PumpError", message=""))
    await home.write()

    for text in (await ask("runs"), await ask("tail", "--last", "1", "--count", "1")):
        assert "PumpError" in text
        assert "PumpError:" not in text
    assert "PumpError" in (await ask("show", str(run))).splitlines()


async def test_lists_have_the_words_of_the_pages(home: RecordedHome, ask: Ask) -> None:
    assert "a condition did not hold" in await ask("not-run", "--of", "motion_light.hall.on_motion")
    assert "connection lost" in await ask("events")
    assert "abc123" in await ask("app", "motion_light")
    apps = await ask("apps")
    assert apps.split()[:3] == ["App", "Instances", "Handlers"]
    assert "motion_light" in apps


@pytest.mark.parametrize(
    ("command", "arguments", "code", "complaint"),
    [
        ("handler", ["motion_light.on_motoin"], 1, "Did you mean motion_light.on_motion?"),
        ("handler", ["backup.nightly"], 2, "must be a handler, but it is a job"),
        ("handler", [" "], 2, "handler must be the name of a handler"),
        ("job", ["attic.clean"], 1, "There is no job called attic.clean."),
        ("app", ["attic"], 1, "There is no app called attic."),
        ("error", ["99"], 1, "There is no error group with the id 99."),
        ("error", ["one"], 2, "error group id must be a whole number"),
        ("why", [], 2, "ENTITY must be an entity such as light.hall"),
        ("why", ["light.hall", "--at", "teatime"], 2, "at must be an age such as 24h"),
        ("ask", ["what", "was", "that"], 2, "The question must name an entity"),
        ("why-not", [], 2, "Missing argument 'APP[.HANDLER]'"),
        ("logs", ["--run", "one"], 2, "run id must be a whole number"),
        ("compare", ["--sort", "size"], 2, "sort must be one of gravity"),
        ("tail", ["--last", "9999"], 2, "9999 is not in the range"),
    ],
)
async def test_wrong_name_or_value_is_named(
    home: RecordedHome,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    arguments: list[str],
    code: int,
    complaint: str,
) -> None:
    assert await asyncio.to_thread(COMMANDS[command], [*arguments, "--db", str(tmp_path)]) == code
    assert complaint in capsys.readouterr().err


def test_show_may_be_omitted_unless_a_name_is_a_command(
    new_history: NewHistory, capsys: pytest.CaptureFixture[str], now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - 60_000_000)
        for app in ("reload", "hall"):
            history.run(history.listener(app, "on_motion", "t"), now_us - 1_000_000)
    db = ["--db", str(history.path)]
    for arguments in (
        ["hall", *db],
        ["show", "hall", *db],
        [*db, "hall"],
        ["--json", "hall", *db],
        ["show", "reload", *db],
    ):
        assert COMMANDS["app"](arguments) == 0
        assert {"hall", "reload"} & set(capsys.readouterr().out.replace('"', " ").replace(".", " ").split())
    assert COMMANDS["app"](["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("show", "reload", "rehearse"))


async def test_tail_shows_each_run_that_ends_and_no_other(home: RecordedHome, tmp_path: Path) -> None:
    arguments = ["--last", "1", "--count", "2", "--json", "--db", str(tmp_path)]
    program = [sys.executable, "-m", "hassette_sync", "tail", *arguments]
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(patience(30)):
        first = json.loads(await process.stdout.readline())
        run = home.run(1_795, MOTION, change("binary_sensor.hall", "off", "on", "device 2"))
        await home.write()
        second = json.loads(await process.stdout.readline())
        assert await process.wait() == 0
    assert (first["name"], second["id"]) == ("on_motion", str(run))


async def test_tail_ends_without_an_error_at_ctrl_c(home: RecordedHome, tmp_path: Path) -> None:
    # A program that runs in the background, such as CI, may ignore SIGINT, and its children inherit this.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hassette_sync", "tail", "--db", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    async with asyncio.timeout(patience(30)):
        assert b"on_motion" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\u202e\ue003"


def test_control_bytes_of_texts_do_not_reach_the_terminal(
    new_history: NewHistory, capsys: pytest.CaptureFixture[str], now_us: int
) -> None:
    with new_history() as history:
        session = history.session(now_us - 60_000_000)
        listener = history.listener(f"hall{HOSTILE}", f"on{HOSTILE}", HOSTILE)
        run_id = history.run(
            listener, now_us - 1_000_000, status="error", entity_id=f"light.hall{HOSTILE}", old_state=HOSTILE,
            new_state=HOSTILE, error=("exception", HOSTILE, HOSTILE), logs=[(40, HOSTILE)], context_id="c",
            calls=[{"service": HOSTILE, "target": HOSTILE, "error": HOSTILE}],
        )  # fmt: skip
        history.not_run(listener, now_us - 500_000, "condition", HOSTILE, entity_id=HOSTILE, new_state=HOSTILE)
        history.lifecycle(session, now_us - 400_000, "app_failed", HOSTILE, HOSTILE)
    commands = [
        *(["apps"], ["app", f"hall{HOSTILE}"], ["handler", str(listener)], ["logs"], ["events"], ["not-run"]),
        *(["timeline"], ["uptime"], ["running"], ["compare", "--all"], ["sessions"], ["status"], ["error", "1"]),
        *(["why", HOSTILE], ["why", f"light.hall{HOSTILE}"], ["why", "--text", HOSTILE], ["why-not", str(listener)]),
        *(["why", "--service", HOSTILE], ["why-not", HOSTILE], ["tail", "--count", "1"], ["show", str(run_id)]),
    ]
    for name, *arguments in commands:
        COMMANDS[name]([*arguments, "--db", str(history.path)])
        output = capsys.readouterr()
        assert not set(output.out + output.err) & set("\x1b\x07\x9b\r\u202e\ue003"), name


class Terminal(io.StringIO):
    """Output that is a terminal, for which click removes no control sequences."""

    def isatty(self) -> bool:
        return True


def test_control_bytes_of_a_suggested_name_do_not_reach_the_terminal(
    new_history: NewHistory, monkeypatch: pytest.MonkeyPatch, now_us: int
) -> None:
    with new_history() as history:
        history.run(history.listener("hall", f"on_motion{HOSTILE}", "state"), now_us - 1_000_000)
    monkeypatch.setattr(sys, "stderr", errors := Terminal())
    assert COMMANDS["handler"](["hall.on_moton", "--db", str(history.path)]) == 1
    assert "Did you mean hall.on_motion" in errors.getvalue()
    assert not set(errors.getvalue()) & set("\x1b\x07\x9b\r\u202e\ue003")


def test_colours_are_shown_only_by_a_terminal_without_no_color() -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    terminal: Any = Terminal()
    assert shows_colours(terminal, {"TERM": "xterm"})
    assert shows_colours(terminal, {"TERM": "xterm", "NO_COLOR": ""})
    assert not shows_colours(terminal, {"TERM": "xterm", "NO_COLOR": "1"})
    assert not shows_colours(terminal, {"TERM": "dumb"})
    assert not shows_colours(terminal, {})
    with open(os.devnull) as file:  # noqa: PTH123  a stream that is no terminal
        assert not shows_colours(file, {"TERM": "xterm"})
    assert paint(f"{styled('ok', 'green')} done", colours=True) == f"{ESC}[32mok{ESC}[0m done"
    assert paint(f"{styled('ok', 'green')} done", colours=False) == "ok done"


async def test_output_in_a_pipe_is_plain_and_complete(
    new_history: NewHistory, now_us: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "word " * 100
    with new_history() as history:
        history.session(now_us - 60_000_000)
        history.run(history.listener("hall", "on_motion", "t"), now_us - 1_000_000, logs=[(40, long.strip())])
    monkeypatch.setenv("COLUMNS", "60")
    assert await asyncio.to_thread(COMMANDS["logs"], ["--db", str(history.path)]) == 0
    output = capsys.readouterr().out
    assert long.strip() in output
    assert ESC not in output
    assert "…" not in output


def test_the_commands_are_also_commands_of_hassette_telemetry(
    plausible: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["app", "climate_guard", "--db", str(plausible)]) == 0
    assert "climate_guard.on_temperature" in capsys.readouterr().out
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in QUESTIONS)
