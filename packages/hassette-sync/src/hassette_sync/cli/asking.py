"""Answer a question from the history, and print the answer as text or as JSON."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel

from hassette_sync.answers.values import json_values
from hassette_sync.asked_time import AskedTime
from hassette_sync.cli.shared import HistoryOptions, show_output
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.service import DataSyncService
from hassette_sync.terminal.colours import shows_colours
from hassette_sync.terminal.database import database_path
from hassette_sync.time_range import now_us

AnswerT = TypeVar("AnswerT", bound=BaseModel | tuple[BaseModel, ...])

DEADLINE_S = 60.0
"""Deadline of one question in the terminal, in seconds. Only one person waits, and Ctrl+C ends the command."""


def history(options: HistoryOptions) -> DataSyncService:
    """Return the service of the history that the options name."""
    return DataSyncService(database_path(options.db), deadline_s=DEADLINE_S)


def show_answer(
    options: HistoryOptions,
    question: Callable[[DataSyncService, HomeTime], Awaitable[AnswerT]],
    to_text: Callable[[AnswerT, ShownTimes], str],
) -> None:
    """Answer a question from the database and print the answer, as JSON or as text.

    Args:
        options: The shared options.
        question: Asks the question.
        to_text: Renders the answer as text.
    """

    async def ask() -> tuple[AnswerT, ShownTimes]:
        async with history(options) as data:
            home = await data.home_time()
            return await question(data, home), ShownTimes(home, now_us())

    answer, shown = asyncio.run(ask())
    if options.as_json:
        show_json(answer)
    else:
        show_text(to_text(answer, shown))


def show_json(answer: object, *, indent: int | None = 2) -> bool:
    """Print an answer, or several answers in a list, as JSON. Return whether there is still a reader."""
    # Only ASCII, so that the output does not depend on the encoding of the pipe.
    return show_output(json.dumps(json_values(answer), indent=indent))


def show_text(rendered: str) -> bool:
    """Print rendered text, with colours if the terminal shows them. Return whether there is still a reader."""
    return show_output(rendered, colours=shows_colours(sys.stdout))


def list_page(text: str, shown: ShownTimes | None, cursor: str | None = None) -> str:
    """Add the name of the time zone to a list with times, and the cursor of the next page to each list."""
    notes = [f"Time zone: {shown.home.label}"] if shown is not None else []
    notes += [f"More: --cursor {cursor}"] if cursor else []
    return "\n\n".join([text, "\n".join(notes)] if notes else [text])


async def with_asked_time(
    data: DataSyncService, text: str | None, question: Callable[[AskedTime | None], Awaitable[AnswerT]]
) -> AnswerT:
    """Ask a question about the time of ``--at``, or about no time without it.

    Raises:
        BadQuestionError: The text is not a time.
    """
    return await question(None if text is None else await data.asked_time(text))
