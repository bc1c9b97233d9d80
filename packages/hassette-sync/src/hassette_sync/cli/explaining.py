"""Commands that explain: why, why-not, ask, compare."""

import re

import click

from hassette_sync.cli.asking import list_page, show_answer, with_asked_time
from hassette_sync.cli.shared import DEFAULT_LIMIT, HistoryOptions, epilog, history_options
from hassette_sync.errors import BadQuestionError
from hassette_sync.formatting import QUESTION_SUBJECTS
from hassette_sync.questions.comparison import SORTS
from hassette_sync.terminal import explanations

_SENTENCE = re.compile(r"(?:did|does|do|is|are|was|were|has|have|had|can|could|will)(?:n['’]?t)?\s", re.IGNORECASE)
_AT = click.option(
    "--at",
    metavar="TIME",
    help="A time (03:12, yesterday 22:30), a day (monday, 28 Nov), a part of it (last night), a span "
    "(03:00 to 04:30) or an age (2h).",
)


@click.command(
    epilog=epilog("why light.hall --at 03:12", "why --service light.turn_on", 'why "the heating is off" --text')
)
@click.argument("subject", metavar="ENTITY", nargs=-1)
@_AT
@click.option("--service", metavar="SERVICE", help="Explain calls of a service, such as light.turn_on.")
@click.option("--text", is_flag=True, help="The words are the text of a log line or of an error.")
@click.option("--state", metavar="STATE", help="Only changes to this state, such as on, if there are any.")
@history_options(since=None, limit=10, cursor=False)
def why(
    options: HistoryOptions,
    subject: tuple[str, ...],
    service: str | None,
    text: bool,
    state: str | None,
) -> None:
    """Explain why an entity changed.

    The answer is the chain back to the first cause: a person, an app, an automation, a script or a device. ENTITY is
    an id such as light.hall, or words of its name. It may also be a service such as light.turn_on. A sentence such as
    "did light.hall turn on last night" gets the answer of hassette ask.
    """
    words = " ".join(subject).strip()
    if bool(words) == bool(service):
        raise BadQuestionError(
            "ENTITY must be an entity such as light.hall, or words of a log line with --text; or give --service, "
            f"got {words or 'nothing'!r}{' and a service' if service else ''}."
        )
    if _SENTENCE.match(words) and not (text or state or options.at):
        _answer_words(options, f"why {words}")
        return
    show_answer(
        options,
        lambda data, home: with_asked_time(
            data,
            options.at,
            lambda at: data.why(
                entity=words if words and not text else None,
                service=service,
                text=words if words and text else None,
                state=state,
                at=at,
                limit=options.limit,
            ),
        ),
        lambda answer, shown: explanations.why(answer, shown, options.table_width),
    )


@click.command("why-not", epilog=epilog("why-not motion_light.on_motion --at 03:12", "why-not backup"))
@click.argument("of", metavar="APP[.HANDLER]")
@_AT
@history_options(since=None)
def why_not(options: HistoryOptions, of: str) -> None:
    """Explain why a handler or job did not run.

    The answer lists each check on the way of the trigger, with its result. The name is APP, APP.HANDLER,
    APP.INSTANCE.HANDLER, or an id.
    """
    show_answer(
        options,
        lambda data, home: with_asked_time(data, options.at, lambda at: data.why_not(of, at=at)),
        lambda answer, shown: explanations.why_not(answer, shown, options.table_width),
    )


@click.command(epilog=epilog("ask what failed last night", 'ask "why did the hall light turn on at 3:12?"'))
@click.argument("words", metavar="WORDS", nargs=-1, required=True)
@history_options(since=None)
def ask(options: HistoryOptions, words: tuple[str, ...]) -> None:
    """Answer a question in words, as the ask box of the page does.

    The words ask why an entity changed, why a handler or job did not run, or what failed. They may contain a time such
    as "last night", "at 3:12" or "on 28 Nov". Put them in quotes if they contain an apostrophe or a question mark.
    """
    _answer_words(options, " ".join(words))


def _answer_words(options: HistoryOptions, words: str) -> None:
    try:
        show_answer(
            options,
            lambda data, _: data.ask(words),
            lambda answer, shown: explanations.asked(answer, shown, options.table_width),
        )
    except BadQuestionError as error:
        name = error.parameter or ""
        raise type(error)(error.named(QUESTION_SUBJECTS.get(name, error.parameter))) from error


@click.command(epilog=epilog("compare --since 7d", "compare --against version"))
@history_options(limit=DEFAULT_LIMIT, cursor=False)
@click.option(
    "--against",
    type=click.Choice(("period", "version")),
    default="period",
    show_default=True,
    help="The previous period of the same length, or the previous version of each app.",
)
@click.option("--sort", metavar="ORDER", default="gravity", show_default=True, help=f"{', '.join(SORTS)}.")
@click.option("--all", "everything", is_flag=True, help="Also list handlers, jobs and errors that do not differ.")
def compare(options: HistoryOptions, against: str, sort: str, everything: bool) -> None:
    """Compare handlers, jobs and errors with the previous period or version.

    The differences are: slower, faster, failing more, failing less, silent, new, back, resolved.
    """
    show_answer(
        options,
        lambda data, home: data.compare(
            options.time_range(home),
            against="version" if against == "version" else "period",
            sort=sort,
            differing=not everything,
            limit=options.limit,
        ),
        lambda answer, shown: list_page(explanations.comparison(answer, shown, options.table_width), shown),
    )
