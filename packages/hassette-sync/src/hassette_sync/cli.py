"""``hassette telemetry``: what Hassette did, in the terminal."""

import argparse
import asyncio
import io
import json
import math
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from hassette_store import StoreError, backup, check, restore, vacuum
from hassette_sync.errors import BadQuestionError, SyncError
from hassette_sync.ids import parse_id
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.settings import DEFAULT_HOST, DEFAULT_PORT, MIN_TOKEN_LENGTH, WebSettings, is_loopback
from hassette_sync.terminal import render
from hassette_sync.terminal.database import database_path
from hassette_sync.terminal.tables import plain_lines
from hassette_sync.time_range import TimeRange, now_us
from hassette_sync.words import size

AnswerT = TypeVar("AnswerT", bound=BaseModel)

DONE, TROUBLE, USAGE = 0, 1, 2
TOKEN_VARIABLE = "HASSETTE__SYNC__TOKEN"  # noqa: S105  the name of a variable

_LONGEST_S = 10 * 366 * 86_400

_EPILOG = """\
the file: --db PATH (a file or a data directory), else hassette.db in $HASSETTE__DATA_DIR, else in the data_dir of
./hassette.toml, else ./hassette.db, else ./data/hassette.db. Nothing needs to be running.

exit codes: 0 done · 1 trouble (no history, damaged, nothing with that id) · 2 the command was not understood
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Show what Hassette did: status, runs, failures, sessions.

    Args:
        argv: Arguments after ``hassette telemetry``; None takes the process's.

    Returns:
        The exit code: 0 done, 1 trouble, 2 not understood.
    """
    for stream in (sys.stdout, sys.stderr):
        # Not every terminal or pipe has our ticks and lines, and a mark that is missing is no reason to say nothing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as leaving:  # argparse has said what it had to say
        return int(leaving.code or DONE)
    try:
        return arguments.run(arguments)
    except (BadQuestionError, ValueError) as error:
        return _complain(error, USAGE)
    except (SyncError, StoreError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # `… | head` has enough; a write at interpreter exit must not complain again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        return _complain(error, TROUBLE)
    except KeyboardInterrupt:
        return TROUBLE


def _complain(error: Exception, code: int) -> int:
    said = str(error)
    if isinstance(error, OSError) and error.strerror is not None:
        # Which file it is about is half of what is wrong.
        said = error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    print(f"hassette telemetry: {said}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--db", type=Path, metavar="PATH", help="the history's file or its directory")
    answer = argparse.ArgumentParser(add_help=False, parents=[common])
    answer.add_argument("--json", action="store_true", help="print JSON, for programs; ids are strings")
    ranged = argparse.ArgumentParser(add_help=False, parents=[answer])
    since = "start: an age (24h, 7d) or a time (2026-01-31T18:00); a day ago if left out, errors 30 days, sessions all"
    ranged.add_argument("--since", metavar="TIME", help=since)
    ranged.add_argument("--until", metavar="TIME", help="end, likewise; now if left out")
    paged = argparse.ArgumentParser(add_help=False, parents=[ranged])
    paged.add_argument("--limit", type=int, default=20, metavar="N", help="how many at most (20)")
    paged.add_argument("--cursor", metavar="CURSOR", help="go on where another page ended")

    parser = argparse.ArgumentParser(
        prog="hassette telemetry",
        description="What Hassette did: read from its history, whether it runs or not.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(
        name: str, help_: str, run: Callable[[argparse.Namespace], int], parent: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=help_,
            description=f"{help_[0].upper()}{help_[1:]}.",
            parents=[parent],
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    add("status", "say whether all is well", _status, ranged)
    add("sessions", "list when Hassette was up", _sessions, paged)
    for plural, kind in (("handlers", "handler"), ("jobs", "job")):
        command = add(plural, f"list {plural} with what they did", _registrations, ranged)
        command.add_argument("--app", help="only this app's")
        command.set_defaults(kind=kind)
    runs = add("runs", "list runs, newest first", _runs, paged)
    runs.add_argument("--app", help="only this app's")
    runs.add_argument("--registration", metavar="ID", help="only of this handler or job")
    runs.add_argument("--kind", choices=("handler", "job"), help="only handlers' or jobs'")
    runs.add_argument("--status", help="success, error, cancelled, timed_out, interrupted, or failed for all bad ones")
    runs.add_argument("--text", help="found in names, topics, entities, event types or errors")
    runs.add_argument("--entity", help="only about this entity")
    runs.add_argument("--session", metavar="ID", help="only of this session")
    runs.add_argument("--min-duration", type=_duration_us, metavar="SECONDS", help="at least this long")
    add("errors", "list mistakes, the newest first", _errors, paged)
    show = add("show", "tell the story of one run", _show, answer)
    show.add_argument("id", metavar="ID", help="the run's id")
    add("check", "look for damage in the file", _check, common)
    copy = add("backup", "copy the history, also while Hassette runs", _backup, common)
    copy.add_argument("path", type=Path, metavar="PATH", help="the copy; it must not exist")
    put = add("restore", "put a backup in the history's place; what was there is kept beside it", _restore, common)
    put.add_argument("path", type=Path, metavar="PATH", help="the backup")
    add("vacuum", "rewrite the file without gaps; Hassette must not be running", _vacuum, common)
    serve = add("serve", "show the pages of a history, without the framework", _serve, common)
    serve.add_argument(
        "--host",
        default=DEFAULT_HOST,
        help=f"address to listen on ({DEFAULT_HOST}); one that others can reach needs a token in ${TOKEN_VARIABLE}",
    )
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"port, 0 for any ({DEFAULT_PORT})")
    return parser


def _duration_us(text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    # Not NaN either, which compares with nothing. Ten years are longer than any run takes.
    if not 0 <= seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number of seconds from 0 to {_LONGEST_S:,}")
    return round(seconds * 1_000_000)


def _range(arguments: argparse.Namespace, default: str | None = None) -> TimeRange:
    return TimeRange.parse(arguments.since or default, arguments.until)


def _ask(
    arguments: argparse.Namespace,
    question: Callable[[DataSyncService], Awaitable[AnswerT]],
    say: Callable[[AnswerT], str],
) -> int:
    async def answer() -> AnswerT:
        async with DataSyncService(database_path(arguments.db)) as data:
            return await question(data)

    found = asyncio.run(answer())
    if arguments.json:
        # In ASCII, so that it is whole whatever the encoding of the pipe.
        print(json.dumps(found.model_dump(mode="json"), indent=2), flush=True)
    else:
        # Whatever an app or an entity is called, it must not steer the terminal.
        print(plain_lines(say(found)), flush=True)
    return DONE


def _more(said: str, cursor: str | None) -> str:
    return f"{said}\n\nMore: --cursor {cursor}" if cursor else said


def _status(arguments: argparse.Namespace) -> int:
    return _ask(arguments, lambda data: data.overview(_range(arguments)), render.overview)


def _sessions(arguments: argparse.Namespace) -> int:
    asked = _range(arguments, default="0")
    all_asked = not (arguments.since or arguments.until or arguments.cursor)
    return _ask(
        arguments,
        lambda data: data.sessions(asked, cursor=arguments.cursor, limit=arguments.limit),
        lambda page: _more(render.sessions(page.sessions, now_us(), all_asked=all_asked), page.next_cursor),
    )


def _registrations(arguments: argparse.Namespace) -> int:
    asked = _range(arguments)
    return _ask(
        arguments,
        lambda data: data.registrations(asked, kind=arguments.kind, app=arguments.app),
        lambda page: render.registrations(page.registrations, arguments.kind, arguments.app),
    )


def _runs(arguments: argparse.Namespace) -> int:
    wanted = RunFilter(
        app=arguments.app,
        registration_id=parse_id(arguments.registration, "registration id") if arguments.registration else None,
        kind=arguments.kind,
        status=arguments.status,
        text=arguments.text,
        entity_id=arguments.entity,
        session_id=parse_id(arguments.session, "session id") if arguments.session else None,
        min_duration_us=arguments.min_duration,
    )
    asked = _range(arguments, default="0" if arguments.session else None)
    return _ask(
        arguments,
        lambda data: data.runs(wanted, asked, cursor=arguments.cursor, limit=arguments.limit),
        lambda page: _more(render.runs(page.runs, now_us()), page.next_cursor),
    )


def _errors(arguments: argparse.Namespace) -> int:
    asked = _range(arguments, default="30d")
    return _ask(
        arguments,
        lambda data: data.error_groups(asked, cursor=arguments.cursor, limit=arguments.limit),
        lambda page: _more(render.error_groups(page.groups, now_us()), page.next_cursor),
    )


def _show(arguments: argparse.Namespace) -> int:
    run_id = parse_id(arguments.id, "run id")
    return _ask(arguments, lambda data: data.run(run_id), lambda detail: render.story(detail, now_us()))


def _check(arguments: argparse.Namespace) -> int:
    path = database_path(arguments.db)
    findings = check(path)
    print("\n".join(findings) if findings else f"{path} is whole.")
    return TROUBLE if findings else DONE


def _backup(arguments: argparse.Namespace) -> int:
    path = database_path(arguments.db)
    backup(path, arguments.path)
    print(f"{path} is copied to {arguments.path} and the copy is whole.")
    return DONE


def _restore(arguments: argparse.Namespace) -> int:
    path = database_path(arguments.db)
    kept = restore(path, arguments.path)
    print(f"{path} is restored from {arguments.path}." + (f" What was there is kept as {kept}." if kept else ""))
    return DONE


def _vacuum(arguments: argparse.Namespace) -> int:
    path = database_path(arguments.db)
    before, after = vacuum(path)
    print(f"{path}: {size(before)} before, {size(after)} now.")
    return DONE


def _serve(arguments: argparse.Namespace) -> int:
    from hassette_sync.plugin import create_web_service

    token = os.environ.get(TOKEN_VARIABLE)
    if token is None and not is_loopback(arguments.host):
        raise BadQuestionError(
            f"--host {arguments.host} can be reached from other machines, so a token is needed: "
            f"set ${TOKEN_VARIABLE} to a secret of at least {MIN_TOKEN_LENGTH} characters."
        )
    settings = WebSettings(host=arguments.host, port=arguments.port, token=token)
    path = database_path(arguments.db)

    async def serve() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        async with create_web_service(DataSyncService(path), settings) as service:
            print(f"{path} is shown at {service.url} (Ctrl+C ends it)", flush=True)
            await stopping.wait()

    asyncio.run(serve())
    return DONE
