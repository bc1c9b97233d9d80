"""Find handlers and jobs by a name, or by the entity that they change; and similar names if there is none."""

import difflib
import functools
import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from sqlite3 import Row

from hassette_store.ids import first_id_at
from hassette_sync.answers.explanations import Entity
from hassette_sync.answers.kinds import Kind, RegistrationRef
from hassette_sync.ids import id_in
from hassette_sync.queries import causes as cause_queries
from hassette_sync.queries import why_not as queries
from hassette_sync.questions.calls import leads_to
from hassette_sync.questions.entities import ENTITY_ID, HomeNames
from hassette_sync.questions.evidence import calls_on
from hassette_sync.questions.rows import registration_ref
from hassette_sync.questions.runs import known_app
from hassette_sync.questions.states import states_meant
from hassette_sync.questions.wording import shortened
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import HOUR_US, MINUTE_US, TimeRange

_SIMILAR = 0.8
_MISSPELT = 0.77
_FEWEST_WORDS = 2
_MOST_WITH_WORDS = 50
_MOST_ENTITIES = 20
_SMALL_WORDS = frozenset(("for", "of", "in", "the", "app", "handler", "job"))
_USUAL_US = 7 * 24 * HOUR_US


async def registrations_named(transaction: ReadTransaction, of: str) -> list[Row]:
    """Return the handlers and jobs with a name, or of the app with this name; current ones are preferred.

    Args:
        transaction: Read transaction of the question.
        of: ``APP``, ``APP.HANDLER``, ``APP.INSTANCE.HANDLER``, or the id of a handler or job. Spaces may stand for
            underscores.
    """
    if (id_ := id_in(of)) is not None:
        return await transaction.all(queries.REGISTRATION_BY_ID, {"registration_id": id_})
    rows = await transaction.all(queries.REGISTRATIONS_NAMED, {"name": of})
    if not rows and " " in of:
        rows = await transaction.all(queries.REGISTRATIONS_NAMED, {"name": of.replace(" ", "_")})
    current = _current(rows, transaction.at_us - _USUAL_US)
    named = [row for row in current if registration_ref(row).title.casefold() == of.casefold()]
    return named or current


def _current(rows: list[Row], since_us: int) -> list[Row]:
    """Return the current handlers and jobs, and those of apps that were disabled or stopped since a time.

    An app that is disabled or stopped has no current handler or job. If all are older, return all.
    """
    current = [row for row in rows if row["retired_us"] is None]
    apps = {(row["app"], row["instance"]) for row in current}
    ended = [row for row in rows if row["retired_us"] is not None and row["retired_us"] >= since_us]
    return [*current, *(row for row in ended if (row["app"], row["instance"]) not in apps)] or rows


def counted(rows: Sequence[Row]) -> str:
    """Return the number of found handlers and jobs in words. A search ends after 50 of them, so there may be more."""
    least = "at least " if len(rows) >= _MOST_WITH_WORDS else ""
    return f"{least}{len(rows)} handlers and jobs"


async def registrations_with_words(transaction: ReadTransaction, of: str) -> list[Row]:
    """Return the current handlers and jobs whose names contain all words of a text, such as ``hall motion light``."""
    parts = frozenset(re.findall(r"[^\W_]+", of.casefold())) - _SMALL_WORDS
    if len(parts) < _FEWEST_WORDS or "." in of:  # one word is in the names of too many, and a dot is part of an id
        return []
    names = await transaction.all(queries.REGISTRATION_NAMES)
    titles = ((row["id"], f"{row['app']} {row['instance']} {row['name']}".casefold()) for row in names)
    # Check one word first. Most titles do not contain it, and this check is faster than to split a title into words.
    word = next(iter(parts))
    found = [one for one, title in titles if word in title and parts <= set(re.findall(r"[^\W_]+", title))]
    rows = [
        row
        for one in found[:_MOST_WITH_WORDS]
        for row in await transaction.all(queries.REGISTRATION_BY_ID, {"registration_id": one})
    ]
    return sorted(_current(rows, transaction.at_us - _USUAL_US), key=lambda row: row["id"])


async def registrations_that_change(
    transaction: ReadTransaction, of: str, at_us: int, state: str | None = None
) -> list[Row]:
    """Return the handlers and jobs that called services for an entity in the week before a moment, most calls first.

    Args:
        transaction: Read transaction of the question.
        of: Entity id or name of the entity.
        at_us: The moment.
        state: Only calls that lead to this state, such as ``on``; None for all calls.
    """
    entity_id = (await HomeNames(transaction).find(of)).entity_id
    if entity_id is None and ENTITY_ID.fullmatch(of.lower()):
        entity_id = of.lower()
    return await _changing(transaction, entity_id, at_us, state) if entity_id is not None else []


async def registrations_that_change_each(
    transaction: ReadTransaction, of: str, at_us: int, state: str | None = None
) -> list[tuple[Entity, list[Row]]]:
    """Return the first 20 entities that fit a text such as ``lights``, each with the handlers and jobs that change it.

    Args:
        transaction: Read transaction of the question.
        of: Text that fits several entities.
        at_us: The moment; see `registrations_that_change`.
        state: Only calls that lead to this state, such as ``on``; None for all calls.
    """
    fitting = (await HomeNames(transaction).find(of)).fitting
    return [(one, await _changing(transaction, one.entity_id, at_us, state)) for one in fitting[:_MOST_ENTITIES]]


async def _changing(transaction: ReadTransaction, entity_id: str, at_us: int, state: str | None) -> list[Row]:
    since_us = max(at_us - _USUAL_US, 0)
    calls = await calls_on(transaction, entity_id, TimeRange(since_us, at_us))
    states = () if state is None else (state, *states_meant(entity_id, state))
    runs = [call["run_id"] for call in calls if all(leads_to(call["service"] or "", one) for one in states)]
    of_runs: Parameters = {"runs": json.dumps(runs)}
    rows = _current(await transaction.all(queries.REGISTRATIONS_OF_RUNS, of_runs), since_us)
    counts = Counter(row["registration_id"] for row in await transaction.all(queries.REGISTRATION_OF_EACH_RUN, of_runs))
    return sorted(rows, key=lambda row: -counts[row["id"]])


async def near_names(transaction: ReadTransaction, of: str, kind: Kind | None = None) -> list[str]:
    """Return up to three names of handlers and jobs, or of those of one kind, that are similar to a name."""
    rows = await transaction.all(queries.REGISTRATION_NAMES)
    names = {f"{row['app']}.{row['name']}" for row in rows if kind in (None, row["kind"])}
    return difflib.get_close_matches(of, sorted(names), 3, 0.4)


async def near_registrations(transaction: ReadTransaction, of: str) -> list[RegistrationRef]:
    """Return the handlers and jobs whose names are similar to a misspelt name, the most similar first.

    If a name begins with a known app, as in ``motion_light.of``, these are the handlers and jobs of the app.

    Args:
        transaction: Read transaction of the question.
        of: ``APP``, ``APP.HANDLER`` or ``APP.INSTANCE.HANDLER``. Spaces may stand for underscores.
    """
    wanted = of.casefold().replace(" ", "_")
    rows = await transaction.all(queries.REGISTRATION_NAMES)
    wanted_app, dot, _ = wanted.partition(".")
    of_app = {row["id"] for row in rows if dot and row["app"].casefold() == wanted_app}
    matcher = difflib.SequenceMatcher(b=wanted)  # it prepares its second text once for all names

    @functools.cache
    def similarity(name: str, *, in_any_case: bool) -> float:
        matcher.set_seq1(name.casefold())
        # The first two are upper limits that take little time. Most names are not similar.
        is_near = matcher.real_quick_ratio() >= _MISSPELT and matcher.quick_ratio() >= _MISSPELT
        return matcher.ratio() if is_near or in_any_case else 0.0

    found: list[tuple[float, RegistrationRef]] = []
    for row in rows:
        app, instance, name = row["app"], row["instance"], row["name"]
        is_of_app = row["id"] in of_app
        names = (app, name, f"{app}.{name}", f"{app}.{instance}.{name}")
        nearest = max([similarity(one, in_any_case=is_of_app) for one in names])
        if nearest >= _MISSPELT or is_of_app:
            found.append((nearest, registration_ref(row)))
    return [ref for _, ref in sorted(found, key=lambda one: -one[0])]


async def registration_hint(transaction: ReadTransaction, name: str, *, only_exact: bool) -> str:
    """Return a sentence if the name in a question about an entity belongs to a handler or job; otherwise an empty text.

    Args:
        transaction: Read transaction of the question.
        name: The name.
        only_exact: Whether similar names of handlers and jobs do not count.
    """
    if rows := await registrations_named(transaction, name):
        what = f"the {rows[0]['kind']} {registration_ref(rows[0]).title}"
        if len(rows) > 1:
            what = f"the {counted(rows)} of that name"
        return f"No entity is called {shortened(name)}. hassette why-not {shlex.quote(name)} shows whether {what} ran."
    near = [] if only_exact else await near_registrations(transaction, name)
    if not near:
        return ""
    names = " or ".join(f"the {ref.kind} {ref.title}" for ref in near[:3])
    return f"No entity is called {shortened(name)}. Did you mean {names}?"


async def near_entities(transaction: ReadTransaction, entity_id: str) -> list[str]:
    """Return up to two known entities whose ids are similar to an id that the history does not know."""
    if not ENTITY_ID.fullmatch(entity_id):
        return []
    if await transaction.one(cause_queries.HOME_NAME, {"kind": "entity", "key": entity_id}) is not None:
        return []
    found = await HomeNames(transaction).find(entity_id)
    names = (
        [one.entity_id for one in (*found.fitting, *found.similar)] if found.entity_id is None else [found.entity_id]
    )
    return [] if found.entity_id == entity_id else difflib.get_close_matches(entity_id, names, 2, _SIMILAR)


async def last_failed_start(transaction: ReadTransaction, of: str, at_us: int) -> Row | None:
    """Return the last failed start of the app in a name before a moment; None if a later start succeeded.

    Args:
        transaction: Read transaction of the question.
        of: ``APP``, ``APP.HANDLER`` or ``APP.INSTANCE.HANDLER``.
        at_us: The moment.
    """
    app = await known_app(transaction, of.partition(".")[0])
    before = {"app": app, "end_id": first_id_at(at_us + MINUTE_US), "examined": cause_queries.EXAMINED}
    decided = set[str]()
    for row in await transaction.all(queries.STARTS_OF_APP, dict(before)):
        if row["kind"] == "app_failed" and row["subject"] not in decided:
            return row
        decided.add(row["subject"])
    return None
