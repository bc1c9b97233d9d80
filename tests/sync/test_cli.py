"""``hassette telemetry``: tables, JSON, exit codes, help."""

import asyncio
import contextlib
import errno
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from hassette_sync import DataSyncService
from hassette_sync.cli import main
from hassette_sync.terminal.colours import paint
from hassette_sync.terminal.database import database_path
from hassette_sync.terminal.tables import TableColumn, table
from support.waiting import patience

COMPLETE = "_HASSETTE_TELEMETRY_COMPLETE"
COMMANDS = ("status", "sessions", "handlers", "jobs", "runs", "errors")


SEVERAL = """
import json, sys
from hassette_sync import DataSyncService
from hassette_sync.cli import main

for arguments in json.loads(sys.argv[1]):
    code = main(arguments)
    print("\\x1e", end="", flush=True)
    if code:
        sys.exit(code)
"""
"""Program that runs several commands in one process, because the start of a process is slow. A record separator follows
the output of each command."""


def run_in_terminal(columns: int, *commands: list[str], colours: bool = False) -> list[str]:
    """Run commands in a terminal of a given width and return what each one shows."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        termios.tcsetwinsize(theirs, (50, columns))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment |= {"TERM": "xterm", "NO_COLOR": "" if colours else "1"}
        program = [sys.executable, "-c", SEVERAL, json.dumps(commands)]
        process = subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux reports the closed end of a terminal as an I/O error
            while chunk := terminal.read(65_536):
                shown += chunk
        assert process.wait(patience(30)) == 0, shown
    return shown.decode().replace("\r\n", "\n").split("\x1e")[:-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_prints_text_and_valid_json(plausible: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--db", str(plausible)]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) > 2
    assert main([command, "--db", str(plausible), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_tables_fit_the_terminal_unless_wide(plausible: Path) -> None:
    lists = [[command, "--db", str(plausible)] for command in COMMANDS if command != "status"]
    shown = run_in_terminal(120, *lists, *([*command, "--wide"] for command in lists))
    longest = [max(cell_len(line) for line in output.split("\n\n")[0].splitlines()) for output in shown]
    for command, narrow, wide in zip(lists, longest[: len(lists)], longest[len(lists) :], strict=True):
        assert narrow <= 120, command
        assert wide >= narrow, command


def test_tables_fit_80_columns_with_whole_names(new_history: Callable[..., Any], now_us: int) -> None:
    name = "watch_humidity_of_rooms"
    with new_history() as history:
        session = history.session(now_us - 7_200_000_000)
        listener = history.listener("climate_guard", name, "state_changed.sensor.bathroom_humidity")
        history.job("climate_guard", f"{name}_nightly", "daily at 02:30")
        for number in range(17):
            ended_us = now_us - (600 if number else 4_200) * 1_000_000 - number
            error = ("exception", "ValueError", "word " * 30) if number == 16 else None
            status = "error" if error else "success"
            history.run(listener, ended_us, status=status, error=error, logs=[(30, "word " * 30)])
        history.not_run(listener, now_us - 1_000_000, "condition", f"is_dark() {'word ' * 30}")
        history.lifecycle(session, now_us - 1_000_000, "listener_removed", f"climate_guard.{name}", "word " * 30)
        history.lifecycle(session, now_us - 1_000_000, "connection_lost", "ws://home.test", "word " * 30)
    lists = [
        *(["handlers"], ["jobs"], ["runs"], ["errors"], ["sessions"], ["uptime"], ["apps"], ["logs"], ["not-run"]),
        *(["timeline", "--since", "3h"], ["compare", "--all"], ["app", "climate_guard"], ["events", "--routine"]),
    ]
    shown = run_in_terminal(80, *([*command, "--db", str(history.path)] for command in lists))
    for command, output in zip(lists, shown, strict=True):
        assert "No " not in output.splitlines()[0], command
        assert max(map(cell_len, output.splitlines())) <= 80, output
        if command[0] in ("handlers", "jobs", "runs", "logs", "not-run", "compare", "app"):
            assert name in output, output
    bars = sorted(line.count("█") for line in shown[lists.index(["timeline", "--since", "3h"])].splitlines())
    assert bars[-1] == 10
    assert next(count for count in bars if count) == 1


def test_names_are_not_cut_in_a_pipe_or_with_wide(
    new_history: Callable[..., Any], now_us: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"on_{'x' * 100}"
    with new_history() as history:
        history.session(now_us - 60_000_000)
        history.run(history.listener("hall", name, "t"), now_us - 1_000_000)
    monkeypatch.setenv("COLUMNS", "60")
    arguments = ["runs", "--db", str(history.path)]
    assert main(arguments) == 0
    assert name in capsys.readouterr().out
    cut, wide = run_in_terminal(80, arguments, [*arguments, "--wide"])
    assert name not in cut
    assert "…" in cut
    assert name in wide


def test_two_clean_sessions_are_listed_with_their_runs(
    new_history: Callable[..., Any], capsys: pytest.CaptureFixture[str], now_us: int
) -> None:
    with new_history() as history:
        for n in (0, 1):
            start = now_us - (40 - 20 * n) * 1_000_000
            session = history.session(start, start + 15_000_000, "clean", runs=2)
            listener = history.listener("hall", f"on_motion_{n}", "t")
            for second in (1, 2):
                history.run(listener, start + second * 1_000_000, session_id=session)
    assert main(["sessions", "--db", str(history.path), "--json"]) == 0
    sessions = json.loads(capsys.readouterr().out)["sessions"]
    assert [(one["state"], one["runs"]) for one in sessions] == [("clean", 2), ("clean", 2)]
    assert main(["runs", "--session", sessions[1]["id"], "--db", str(history.path), "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert {run["registration"]["name"] for run in runs} == {"on_motion_0"}
    assert len(runs) == 2


def test_printed_cursor_continues_the_list(plausible: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids: list[str] = []
    cursor: list[str] = []
    for _ in range(3):
        assert main(["runs", "--limit", "5", "--db", str(plausible), *cursor]) == 0
        output = capsys.readouterr().out
        ids += [line.split()[0] for line in output.splitlines()[2:7]]
        cursor = output.strip().splitlines()[-1].removeprefix("More: ").split()
    assert len(set(ids)) == 15
    assert ids == sorted(ids, key=int, reverse=True)


def test_failed_run_is_shown_with_traceback_and_log(plausible: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--app", "climate_guard", "--status", "failed", "--json", "--db", str(plausible)]) == 0
    run_id = json.loads(capsys.readouterr().out)["runs"][0]["id"]
    assert main(["show", run_id, "--db", str(plausible)]) == 0
    output = capsys.readouterr().out
    assert "ValueError: could not convert string to float: 'unavailable'" in output
    assert "Traceback (most recent call last)" in output
    assert "WARNING  The sensor is unavailable" in output


def test_documented_examples_are_what_the_commands_print(plausible: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documentation = (Path(__file__).parents[2] / "docs" / "terminal.md").read_text()
    (example,) = re.findall(r"```console\n\$ hassette jobs (.*?)```", documentation, re.DOTALL)
    jobs, _, shown = example.partition("\n$ hassette show ")
    assert main(["jobs", *jobs.splitlines()[0].split(), "--db", str(plausible)]) == 0
    assert _shape(jobs.partition("\n")[2]) == _shape(capsys.readouterr().out)
    main(["runs", "--app", "climate_guard", "--status", "failed", "--json", "--db", str(plausible)])
    assert main(["show", json.loads(capsys.readouterr().out)["runs"][0]["id"], "--db", str(plausible)]) == 0
    assert _shape(shown.partition("\n")[2]) == _shape(capsys.readouterr().out)


def _shape(output: str) -> list[str]:
    """Return the lines of an output without the numbers, dates, units and time zones that differ from run to run."""
    variable = r"(\d+ [A-Z][a-z]{2} (\d{4} )?(?=\d\d:))?[\d.,]+( µs| ms| s)?\b"
    lines = [re.sub(variable, "#", " ".join(line.split())) for line in output.strip().splitlines()]
    return [re.sub("^Time zone .*|─+", "…", line) for line in lines]


def test_control_characters_from_apps_do_not_reach_the_terminal(
    new_history: Callable[..., Any], capsys: pytest.CaptureFixture[str], now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - 60_000_000)
        hostile = "\x1b[2J\x1b]0;owned\x07\r\n\u202e"
        listener = history.listener("hall", f"on{hostile}", hostile)
        run_id = history.run(
            listener, now_us - 1_000_000, status="error", entity_id=hostile, old_state=hostile, new_state=hostile,
            error=("exception", hostile, hostile), logs=[(40, hostile)],
            calls=[{"service": hostile, "target": hostile, "error": hostile}],
        )  # fmt: skip
    for arguments in (["status"], ["handlers"], ["runs"], ["errors"], ["show", str(run_id)]):
        assert main([*arguments, "--db", str(history.path)]) == 0
        assert not set(capsys.readouterr().out) & set("\x1b\x07\r\u202e")


async def test_run_of_a_missed_change_is_labelled(
    new_history: Callable[..., Any], capsys: pytest.CaptureFixture[str], now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - 60_000_000)
        listener = history.listener("hall", "on_motion", "state_changed.light.*")
        changes = {"entity_id": "light.hall", "old_state": "off", "new_state": "on"}
        run_ids = [history.run(listener, now_us - 1_000_000, missed=missed, **changes) for missed in (True, False)]
    for arguments in (["runs"], ["show", str(run_ids[0])]):
        assert await asyncio.to_thread(main, [*arguments, "--db", str(history.path)]) == 0
        assert capsys.readouterr().out.count("off → on (missed)") == 1
    async with DataSyncService(history.path) as data:
        shown = [(await data.run(run_id)).run.trigger for run_id in run_ids]
        assert [json.loads(trigger.model_dump_json())["missed"] for trigger in shown] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["show", "1"], 1, "There is no run with the id 1"),
        (["show", "one"], 2, "run id must be a whole number from 0 to 9223372036854775807, got 'one'"),
        (["runs", "--status", "fine"], 2, "status must be one of success, error"),
        (
            ["runs", "--since", "whenever"],
            2,
            "since must be an age such as 24h or 7d, or a time such as",
        ),
        (["runs", "--limit", "0"], 2, "limit must be from 1 to 500"),
        (["runs", "--limit", "many"], 2, "'many' is not a valid integer"),
        (["dance"], 2, "No such command 'dance'"),
        ([], 2, "Usage: hassette telemetry [OPTIONS] COMMAND"),
        (["status", "--colour"], 2, "No such option"),
        (["runs", "--kind", "script"], 2, "'script' is not one of 'handler', 'job'"),
        (
            ["serve", "--host", "0.0.0.0"],
            2,
            "unless a token is set, got '0.0.0.0'",
        ),
        (["serve", "--port", "70000"], 2, "Invalid value for '--port'"),
    ],
)
def test_wrong_usage_has_a_clear_message_and_exit_code(
    plausible: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, complaint: str
) -> None:
    known = arguments and arguments[0] != "dance"
    assert main([*arguments, *(["--db", str(plausible)] if known else [])]) == code
    output = capsys.readouterr()
    assert complaint in output.err
    assert "Traceback" not in output.err
    assert output.out == ""


@pytest.mark.parametrize("command", [*COMMANDS, "check", "vacuum"])
def test_missing_history_fails_and_names_the_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "--db", str(tmp_path / "none.db")]) == 1
    assert str(tmp_path / "none.db") in capsys.readouterr().err


def test_help_lists_commands_database_paths_exit_codes_and_completion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    output = capsys.readouterr().out
    assert all(command in output for command in (*COMMANDS, "show", "backup", "restore", "vacuum", "check", "serve"))
    assert "Exit codes: 0 success" in output
    assert "_HASSETTE_TELEMETRY_COMPLETE=bash_source" in output
    assert "$HASSETTE__DATA_DIR" in output


def test_backup_is_made_checked_and_restored(
    plausible: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    assert main(["backup", str(copy), "--db", str(plausible)]) == 0
    assert main(["backup", str(copy), "--db", str(plausible)]) == 1, "an existing file is not overwritten"
    assert main(["check", "--db", str(copy)]) == 0
    with sqlite3.connect(plausible) as db:
        db.execute("DELETE FROM sessions")
    db.close()
    assert main(["restore", str(copy), "--db", str(plausible)]) == 0
    assert "The previous file is kept as" in capsys.readouterr().out
    assert main(["sessions", "--db", str(plausible), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["sessions"]) == 3
    assert main(["vacuum", "--db", str(plausible)]) == 0


def test_check_finds_damage_and_fails(plausible: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(plausible) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with plausible.open("r+b") as file:
        file.seek(plausible.stat().st_size - 20_000)
        file.write(b"\xff" * 20_000)
    assert main(["check", "--db", str(plausible)]) == 1
    assert capsys.readouterr().out.strip()


def test_closed_pipe_is_not_an_error(plausible: Path) -> None:
    command = f"{sys.executable} -m hassette_sync runs --limit 500 --db {plausible} | head -1"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=patience(30))
    assert found.stdout.startswith("ID")
    assert found.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_characters_missing_from_the_encoding_are_replaced(plausible: Path, encoding: str) -> None:
    with contextlib.closing(sqlite3.connect(plausible, isolation_level=None)) as db:
        db.execute("UPDATE listeners SET name = 'café_été_日' WHERE name = 'on_light'")

    commands = [[*command, "--db", str(plausible)] for command in (["status"], ["handlers"], ["handlers", "--json"])]
    status, handlers, as_json, _ = subprocess.run(
        [sys.executable, "-c", SEVERAL, json.dumps(commands)],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
        timeout=patience(60),
    ).stdout.split(b"\x1e")
    assert b"Session    3, running" in status
    assert b"presence" in handlers
    assert "café_été_日" in [one["name"] for one in json.loads(as_json)["registrations"]]


def test_status_of_a_past_time_range_shows_its_end(plausible: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--db", str(plausible), "--since", "6h", "--until", "3h"]) == 0
    assert ", until " in capsys.readouterr().out
    assert main(["status", "--db", str(plausible), "--since", "6h"]) == 0
    assert ", until " not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [("--since", "2020-01-01", "--until", "2020-01-02"), ("--at", "2020-01-01")], ids=["range", "day"]
)
def test_no_session_in_a_time_range_is_not_an_empty_history(
    plausible: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main(["sessions", "--db", str(plausible), *arguments]) == 0
    assert capsys.readouterr().out.startswith("No session in this time range.")


def test_serve_on_a_public_address_names_the_token_variable(
    plausible: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HASSETTE__SYNC__TOKEN", raising=False)
    assert main(["serve", "--host", "0.0.0.0", "--db", str(plausible)]) == 2
    assert "Set $HASSETTE__SYNC__TOKEN to a secret" in capsys.readouterr().err


def test_database_that_cannot_be_examined_is_not_replaced_by_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hassette.db").touch()

    def fail(file: Path, **_: object) -> object:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", fail)
        assert database_path(None, {}) == Path("hassette.db")
        assert database_path(Path("x.db"), {}) == Path("x.db")


def test_database_is_searched_in_the_documented_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert database_path(Path("x.db"), {}) == Path("x.db")
    assert database_path(tmp_path, {}) == tmp_path / "hassette.db"
    assert database_path(None, {}) == Path("data/hassette.db")
    Path("hassette.db").touch()
    assert database_path(None, {}) == Path("hassette.db")
    Path("hassette.toml").write_text('[hassette]\ndata_dir = "kept"\n')
    assert database_path(None, {}) == Path("kept/hassette.db")
    assert database_path(None, {"HASSETTE__DATA_DIR": "/var/lib/hassette"}) == Path("/var/lib/hassette/hassette.db")
    assert database_path(None, {"hassette__hassette__data_dir": "/srv"}) == Path("/srv/hassette.db")
    assert database_path(None, {"HASSETTE__DATA_DIR": ""}) == Path("kept/hassette.db")
    Path("hassette.toml").write_text("not toml at all = = =")
    assert database_path(None, {}) == Path("hassette.db")


@pytest.mark.parametrize("name", ["HASSETTE__DATA_DIR", "HASSETTE__HASSETTE__DATA_DIR"])
def test_tilde_is_expanded_in_the_environment_and_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/otto")
    assert database_path(None, {name: "~/kept"}) == Path("/home/otto/kept/hassette.db")
    assert database_path(None, {name: "~no-such-user/x"}) == Path("~no-such-user/x/hassette.db")
    Path("hassette.toml").write_text('[hassette]\ndata_dir = "~/hist"\n', "utf-8-sig")
    assert database_path(None, {}) == Path("/home/otto/hist/hassette.db")


@pytest.mark.parametrize("kind", ["handlers", "jobs"])
def test_unknown_app_is_not_an_empty_history(plausible: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    assert main([kind, "--app", "nope", "--db", str(plausible)]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"There are no {kind} of an app 'nope'. Without --app, the {kind} of all apps are listed")


@pytest.mark.parametrize("command", ["check", "status"])
def test_permission_error_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    path = tmp_path / "closed" / "hassette.db"

    def refuse(self: Path, *_: object, **__: object) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    # Not with a closed directory, because tests also run as root, who may read it.
    for look in ("stat", "is_dir", "is_file", "exists", "is_symlink"):
        monkeypatch.setattr(Path, look, refuse)
    assert main([command, "--db", str(path)]) == 1
    output = capsys.readouterr().err
    assert "Permission denied" in output
    assert str(path) in output
    assert output.count("\n") == 1


def test_table_keeps_its_width_and_marks_cut_cells() -> None:
    columns = (TableColumn("Name", can_be_cut=True), TableColumn("n", right=True))
    rows = [("a" * 50, "1"), ("東京タワー", "22"), ("x\ny\tz", "333")]
    laid_out = paint(table(columns, rows, width=30), colours=False)
    lines = laid_out.splitlines()
    assert {cell_len(line) for line in lines} == {30}
    assert lines[2].startswith("a" * 24 + "…")
    assert lines[4].startswith("x y z ")
    assert lines[3].endswith("  22")
    assert "Name" in table(columns, [], width=3), "headings are not cut"
    assert "a" * 50 in table(columns, [("a" * 50, "1")]), "nothing is cut without a width"


def test_console_script_completes_commands_and_options() -> None:
    script = Path(sys.executable).with_name("hassette-telemetry")

    def complete(*words: str) -> list[str]:
        environment = {**os.environ, COMPLETE: "bash_complete", "COMP_WORDS": " ".join(words)}
        environment["COMP_CWORD"] = str(len(words) - 1)
        found = subprocess.run([script], env=environment, capture_output=True, text=True, timeout=patience(30))
        return [line.partition(",")[2] for line in found.stdout.splitlines()]

    assert complete("hassette-telemetry", "s") == ["status", "show", "sessions", "serve"]
    assert complete("hassette-telemetry", "runs", "--kind", "h") == ["handler"]
    assert "--wide" in complete("hassette-telemetry", "runs", "--w")


def test_console_script_reports_errors_under_its_name(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("hassette-telemetry")
    command = [script, "status", "--db", str(tmp_path / "none.db")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=patience(30))
    assert found.returncode == 1
    assert found.stderr.startswith("hassette-telemetry: There is no history at ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("logs", "--since", "7d", "--at", "02:30"), "--at must be used without --since and --until"),
        (("logs", "--since", "soon"), "--since must be an age such as 24h"),
        (("runs", "--limit", "0"), "--limit must be from 1 to 500, got 0."),
        (("runs", "--status", "great"), "--status must be one of success"),
        (("runs", "--cursor", "x"), "--cursor must be a whole number"),
        (("serve", "--host", "0.0.0.0"), "--host must be a loopback address"),
        (("runs", "--registration", "x"), "registration id must be a whole number"),
        (("runs", "--min-duration", "x"), "--min-duration must be a number of seconds"),
        (("runs", "--text", "x" * 1_000), "--text must have at most"),
    ],
)
def test_wrong_option_is_named_as_it_is_typed(
    arguments: tuple[str, ...], message: str, plausible: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--db", str(plausible)]) == 2
    assert capsys.readouterr().err.startswith(f"hassette telemetry: {message}")
