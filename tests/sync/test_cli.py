"""``hassette telemetry``: tables for people, JSON for programs, exit codes for scripts."""

import contextlib
import errno
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hassette_sync.cli import main
from hassette_sync.terminal.database import database_path
from hassette_sync.terminal.tables import Column, cell_width, table

COMMANDS = ("status", "sessions", "handlers", "jobs", "runs", "errors")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_prints_a_table_that_fits_and_json_that_loads(
    plausible: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    assert main([command, "--db", str(plausible)]) == 0
    said = capsys.readouterr().out
    assert said.strip()
    if command != "status":
        lines = said.split("\n\n")[0].rstrip("\n").splitlines()
        assert len(lines) > 2
        assert all(cell_width(line) <= 110 for line in lines)
    assert main([command, "--db", str(plausible), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


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


def test_pages_are_turned_with_the_cursor_that_was_printed(plausible: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids: list[str] = []
    cursor: list[str] = []
    for _ in range(3):
        assert main(["runs", "--limit", "5", "--db", str(plausible), *cursor]) == 0
        said = capsys.readouterr().out
        ids += [line.split()[0] for line in said.splitlines()[2:7]]
        cursor = said.strip().splitlines()[-1].removeprefix("More: ").split()
    assert len(set(ids)) == 15
    assert ids == sorted(ids, key=int, reverse=True)


def test_the_story_of_a_failed_run_has_its_traceback_and_log(
    plausible: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "--app", "climate_guard", "--status", "failed", "--json", "--db", str(plausible)]) == 0
    run_id = json.loads(capsys.readouterr().out)["runs"][0]["id"]
    assert main(["show", run_id, "--db", str(plausible)]) == 0
    said = capsys.readouterr().out
    assert "ValueError: could not convert string to float: 'unavailable'" in said
    assert "Traceback (most recent call last)" in said
    assert "WARNING  The sensor is unavailable" in said


def test_what_an_app_wrote_cannot_steer_the_terminal(
    new_history: Callable[..., Any], capsys: pytest.CaptureFixture[str], now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - 60_000_000)
        nasty = "\x1b[2J\x1b]0;owned\x07\r\n\u202e"
        listener = history.listener("hall", f"on{nasty}", nasty)
        run_id = history.run(
            listener, now_us - 1_000_000, status="error", entity_id=nasty, old_state=nasty, new_state=nasty,
            error=("exception", nasty, nasty), logs=[(40, nasty)],
            calls=[{"service": nasty, "target": nasty, "error": nasty}],
        )  # fmt: skip
    for arguments in (["status"], ["handlers"], ["runs"], ["errors"], ["show", str(run_id)]):
        assert main([*arguments, "--db", str(history.path)]) == 0
        assert not set(capsys.readouterr().out) & set("\x1b\x07\r\u202e")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["show", "1"], 1, "There is no run with the id 1"),
        (["show", "one"], 2, "'one' is not a valid run id"),
        (["runs", "--status", "fine"], 2, "status must be one of success, error"),
        (["runs", "--since", "whenever"], 2, "'whenever' is not a time"),
        (["runs", "--limit", "0"], 2, "limit must be from 1 to 500"),
        (["runs", "--limit", "many"], 2, "invalid int value"),
        (["dance"], 2, "invalid choice: 'dance'"),
        ([], 2, "the following arguments are required: COMMAND"),
        (["serve", "--host", "0.0.0.0"], 2, "a token is needed"),
    ],
)
def test_a_mistake_is_one_clear_sentence_and_an_exit_code(
    plausible: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, complaint: str
) -> None:
    known = arguments and arguments[0] != "dance"
    assert main([*arguments, *(["--db", str(plausible)] if known else [])]) == code
    said = capsys.readouterr()
    assert complaint in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("command", [*COMMANDS, "check", "vacuum"])
def test_no_history_is_trouble_that_says_where_it_looked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "--db", str(tmp_path / "none.db")]) == 1
    assert str(tmp_path / "none.db") in capsys.readouterr().err


def test_help_is_no_mistake_and_names_files_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(command in said for command in (*COMMANDS, "show", "backup", "restore", "vacuum", "check", "serve"))
    assert "exit codes: 0 done" in said
    assert "$HASSETTE__DATA_DIR" in said


def test_a_backup_is_made_checked_and_put_back(
    plausible: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    assert main(["backup", str(copy), "--db", str(plausible)]) == 0
    assert main(["backup", str(copy), "--db", str(plausible)]) == 1, "nothing is overwritten"
    assert main(["check", "--db", str(copy)]) == 0
    with sqlite3.connect(plausible) as db:
        db.execute("DELETE FROM sessions")
    db.close()
    assert main(["restore", str(copy), "--db", str(plausible)]) == 0
    assert "What was there is kept as" in capsys.readouterr().out
    assert main(["sessions", "--db", str(plausible), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["sessions"]) == 3
    assert main(["vacuum", "--db", str(plausible)]) == 0


def test_damage_is_found_and_is_trouble(plausible: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(plausible) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with plausible.open("r+b") as file:
        file.seek(plausible.stat().st_size - 20_000)
        file.write(b"\xff" * 20_000)
    assert main(["check", "--db", str(plausible)]) == 1
    assert capsys.readouterr().out.strip()


def test_a_reader_that_has_enough_is_no_error(plausible: Path) -> None:
    command = f"{sys.executable} -m hassette_sync runs --limit 500 --db {plausible} | head -1"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.startswith("ID")
    assert found.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_encoding_without_our_marks_costs_the_marks_alone(plausible: Path, encoding: str) -> None:
    with contextlib.closing(sqlite3.connect(plausible, isolation_level=None)) as db:
        db.execute("UPDATE listeners SET name = 'café_été_日' WHERE name = 'on_light'")

    def say(*command: str) -> bytes:
        return subprocess.run(
            [sys.executable, "-m", "hassette_sync", *command, "--db", str(plausible)],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout

    assert b"Mostly well" in say("status")
    assert b"presence" in say("handlers")
    names = [one["name"] for one in json.loads(say("handlers", "--json"))["registrations"]]
    assert "café_été_日" in names


def test_the_status_of_a_time_that_is_over_says_until_when(plausible: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--db", str(plausible), "--since", "6h", "--until", "3h"]) == 0
    assert ", until " in capsys.readouterr().out
    assert main(["status", "--db", str(plausible), "--since", "6h"]) == 0
    assert ", until " not in capsys.readouterr().out


def test_no_session_in_a_time_is_not_taken_for_an_empty_history(
    plausible: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sessions", "--db", str(plausible), "--since", "2020-01-01", "--until", "2020-01-02"]) == 0
    assert capsys.readouterr().out.startswith("No session in this time.")


def test_serving_others_says_which_variable_has_the_token(
    plausible: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HASSETTE__SYNC__TOKEN", raising=False)
    assert main(["serve", "--host", "0.0.0.0", "--db", str(plausible)]) == 2
    assert "set $HASSETTE__SYNC__TOKEN to a secret" in capsys.readouterr().err


def test_the_file_is_looked_for_in_the_documented_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_home_is_found_in_the_environment_and_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/otto")
    assert database_path(None, {name: "~/kept"}) == Path("/home/otto/kept/hassette.db")
    assert database_path(None, {name: "~nobody-of-that-name/x"}) == Path("~nobody-of-that-name/x/hassette.db")
    Path("hassette.toml").write_text('[hassette]\ndata_dir = "~/hist"\n', "utf-8-sig")
    assert database_path(None, {}) == Path("/home/otto/hist/hassette.db")


@pytest.mark.parametrize("kind", ["handlers", "jobs"])
def test_an_app_that_is_not_there_is_not_taken_for_an_empty_history(
    plausible: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert main([kind, "--app", "nope", "--db", str(plausible)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"No {kind} of an app 'nope'. Without --app, all {kind} are listed")


@pytest.mark.parametrize("command", ["check", "status"])
def test_a_permission_denied_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    path = tmp_path / "closed" / "hassette.db"

    def refuse(self: Path, *_: object, **__: object) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    # Not by the directory's rights: tests run as root, too, whom no rights stop.
    for look in ("stat", "is_dir", "is_file", "exists", "is_symlink"):
        monkeypatch.setattr(Path, look, refuse)
    assert main([command, "--db", str(path)]) == 1
    said = capsys.readouterr().err
    assert "Permission denied" in said
    assert str(path) in said
    assert said.count("\n") == 1


def test_a_table_keeps_its_width_and_says_what_it_cut() -> None:
    columns = (Column("Name", stretch=True), Column("n", right=True))
    laid_out = table(columns, [("a" * 50, "1"), ("東京タワー", "22"), ("x\ny\tz", "333")], width=30)
    lines = laid_out.splitlines()
    assert {cell_width(line) for line in lines} == {30}
    assert lines[2].startswith("a" * 24 + "…")
    assert lines[4].startswith("x y z ")
    assert lines[3].endswith("  22")
    assert "Name" in table(columns, [], width=3), "what cannot be cut keeps its width"
