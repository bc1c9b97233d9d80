"""The question *why did this happen?* about an entity, a service, or the text of a log line or an error."""

import json
from sqlite3 import Row

from hassette_store.ids import time_of
from hassette_sync.answers.explanations import CallMade, Entity, Explained, StateChange, Subject, Why
from hassette_sync.answers.logs import LogEntry
from hassette_sync.answers.runs import Run
from hassette_sync.asked_time import AskedTime
from hassette_sync.errors import BadQuestionError
from hassette_sync.formatting import plural, replace_surrogates
from hassette_sync.home_time import ShownTimes
from hassette_sync.ids import id_in
from hassette_sync.queries.causes import (
    CHANGES_OF_CONTEXT,
    EXAMINED,
    LAST_CHANGES,
    LAST_GAP,
    LAST_TRIGGERS,
    LOST_CHANGES_IN,
    SESSION_AT,
)
from hassette_sync.queries.runs import RUN
from hassette_sync.questions.calls import call_by_home, call_of, is_by_app
from hassette_sync.questions.cause_chain import CauseChain
from hassette_sync.questions.causes import Causes
from hassette_sync.questions.changes import MEASURING, SELDOM_RECORDED
from hassette_sync.questions.entities import ENTITY_ID, SERVICE, HomeNames
from hassette_sync.questions.evidence import (
    MAX_RELATED,
    FoundChange,
    calls_by_home,
    calls_of,
    calls_on,
    changes_of,
    near_changes,
)
from hassette_sync.questions.logs import LogFilter, logs_page
from hassette_sync.questions.names import registration_hint
from hassette_sync.questions.periods import end_of_now
from hassette_sync.questions.rows import run_of
from hassette_sync.questions.runs import check_text, failures_with_text, search_text
from hassette_sync.questions.sessions import history_lost_until, home_time
from hassette_sync.questions.states import changes_to, named_states
from hassette_sync.questions.targets import entities_of
from hassette_sync.questions.wording import change_clause, explanation, shortened
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import DAY_US, MINUTE_US, TimeRange

AROUND_US = 10 * MINUTE_US
"""A question about a moment searches this much before and after it."""

_NEWEST_US = 7 * DAY_US
_MAX_SUGGESTED = 6
_DEFAULT_LIMIT = 10
_MAX_LIMIT = 50


async def why(
    transaction: ReadTransaction,
    *,
    entity: str | None = None,
    service: str | None = None,
    text: str | None = None,
    at: AskedTime | None = None,
    state: str | None = None,
    limit: int = _DEFAULT_LIMIT,
) -> Why:
    """Return what happened to an entity, which calls of a service were made, or which runs logged a text; and why.

    Each finding has the chain back to its first cause: a person, an app, an automation or script of Home Assistant, a
    schedule, or the device itself. If the chain breaks off, the answer states that the cause is not known, and why.

    Args:
        transaction: Read transaction of the question.
        entity: Id of an entity, or words of its name. If no entity has this name, it may also be a service, or the
            text of a log line or an error.
        service: Service such as ``light.turn_on``.
        text: Text within a log line, or within the error of a run.
        at: The moment, or a time such as a day; None for the newest.
        state: If the entity changed to this state, only these changes are listed. A climate device is ``on`` in each
            state except ``off``.
        limit: Maximum number of findings, up to 50.

    Raises:
        BadQuestionError: Not exactly one of ``entity``, ``service`` and ``text`` is given, or a value is invalid.
    """
    given = [(about, value) for about, value in _subjects(entity, service, text) if value is not None]
    if len(given) != 1:
        names = ", ".join(about for about, _ in given) or "none"
        raise BadQuestionError(f"entity, service, text: exactly one must be given, got {names}.")
    if not 1 <= limit <= _MAX_LIMIT:
        raise BadQuestionError(f"must be from 1 to {_MAX_LIMIT}, got {limit!r}.", parameter="limit")
    about, subject = given[0]
    check_text(subject)
    subject = replace_surrogates(subject.strip())
    if not subject:
        raise BadQuestionError(f"must be a text that is not empty, got {subject!r}.", parameter=about)
    search = _Search(transaction, await _shown_times(transaction), at, await end_of_now(transaction), limit)
    if about == "entity":
        return await search.about_entity(subject, state)
    if about == "service":
        return await search.about_service(subject)
    return await search.about_text(subject)


def _subjects(entity: str | None, service: str | None, text: str | None) -> tuple[tuple[Subject, str | None], ...]:
    return (("entity", entity), ("service", service), ("text", text))


async def _shown_times(transaction: ReadTransaction) -> ShownTimes:
    return ShownTimes(await home_time(transaction), transaction.at_us)


class _Search:
    """One search for an answer."""

    def __init__(
        self, transaction: ReadTransaction, times: ShownTimes, asked: AskedTime | None, now_us: int, limit: int
    ) -> None:
        self._transaction = transaction
        self._times = times
        self._names = HomeNames(transaction)
        self._causes = Causes(transaction, self._names)
        self._limit = limit
        self._moment = asked if asked is not None and not asked.is_span else None
        if asked is None:
            self._range = TimeRange(max(now_us - _NEWEST_US, 0), now_us)
            self._when = "in the last 7 days"
        else:
            self._range = asked.around(AROUND_US)
            self._when = asked.describe(times)

    @property
    def _at_us(self) -> int | None:
        return self._moment.at_us if self._moment is not None else None

    def _distance(self, at_us: int) -> tuple[int, int]:
        """Return the order of the findings: the nearest to the moment first, or the newest first."""
        if self._moment is None:
            return 0, -at_us
        end_us = self._moment.at_us + self._moment.length_us
        return max(self._moment.at_us - at_us, at_us - end_us + 1, 0), at_us

    async def about_entity(self, subject: str, state: str | None) -> Why:
        entity_id, fitting, similar, _ = await self._names.find(subject)
        if entity_id is None and await calls_on(self._transaction, subject.lower(), self._range):
            # Apps have called services for it, but no event of it is recorded.
            entity_id = subject.lower()
        if entity_id is None:
            hint = ""
            if not fitting:
                hint = await registration_hint(self._transaction, subject, only_exact=bool(similar))
            if SERVICE.fullmatch(subject.lower()):
                called = await self.about_service(subject)
                if called.found or not hint:
                    return called
            if fitting and (found := await self._about_one_of(fitting, state)) is not None:
                return found
            return await self._about_no_entity(subject, fitting, similar, state, hint)
        entity = await self._names.entity(entity_id)
        changes = await changes_of(self._transaction, self._names, entity_id, self._range, self._at_us)
        calls = await calls_on(self._transaction, entity_id, self._range)
        known = {one.change.context_id for one in changes}
        calls += await calls_by_home(self._transaction, self._range, entity_id=entity_id)
        without_change = [row for row in calls if row["context_id"] is None or row["context_id"] not in known]
        to_state = changes_to(changes, state) if state is not None else []
        if to_state:
            changes, without_change = to_state, []
        ordered = sorted(
            [(self._distance(one.change.at_us), 0, one) for one in changes]
            + [(self._distance(_call(row).at_us), 1, row) for row in without_change],
            key=lambda one: one[:2],
        )
        if not ordered and not entity.name and (called := await self.about_service(entity_id)).found:
            return called
        found = tuple([await self._explained(one) for _, _, one in ordered[: self._limit]])
        before_us, after_us = await near_changes(self._transaction, entity_id, self._range)
        sentence = found[0].sentence if found else self._nothing(f"No change of {entity.title}")
        if not found and before_us is not None:
            sentence = f"{sentence} The last one before was at {self._times(before_us)}."
        if found and state is not None and not to_state:
            sentence = f"No change of {entity.title} to {shortened(state)} is recorded in this time. {sentence}"
        answer = self._answer("entity", entity_id, found, sentence, entity=entity, more=len(ordered) - len(found))
        near: dict[str, object] = {"before_us": before_us, "after_us": after_us}
        has_changes = bool(changes if state is None else to_state)
        near["missing"] = (*answer.missing, *await self._not_recorded(entity_id, has_changes=has_changes))
        return answer.model_copy(update=near)

    async def _not_recorded(self, entity_id: str, *, has_changes: bool) -> tuple[str, ...]:
        """Return the reasons why changes of an entity may be missing in the searched time."""
        found: list[str] = []
        at_us = min(self._at_us or self._transaction.at_us, self._transaction.at_us)
        if (lost_us := await history_lost_until(self._transaction, at_us)) is not None:
            found.append(f"The history before {self._times(lost_us)} was lost.")
        if has_changes:
            return tuple(found)
        if entity_id.partition(".")[0] in MEASURING:
            found.append(SELDOM_RECORDED)
        is_at_moment = self._at_us is not None and lost_us is None
        if is_at_moment and await self._transaction.one(SESSION_AT, {"at_us": at_us}) is None:
            found.append("Hassette was not running at that time.")
        within = {"since_us": self._range.since_us, "until_us": self._range.until_us}
        lost = await self._transaction.one(LOST_CHANGES_IN, dict(within))
        if lost is not None and lost["count"]:
            found.append(f"{plural(lost['count'], 'change')} of the home could not be recorded in this time.")
        ids: Parameters = {"first_id": self._range.first_id, "end_id": self._range.end_id}
        if (gap := await self._transaction.one(LAST_GAP, ids)) is not None:
            found.append(
                f"Hassette was not connected to Home Assistant for some time from {self._times(gap['at_us'])} on."
            )
        return tuple(found)

    async def _about_one_of(self, fitting: tuple[Entity, ...], state: str | None) -> Why | None:
        """Answer about the fitting entity that changed nearest to the moment, or last; None if none changed."""
        times: dict[str, int] = {}
        names = json.dumps([one.entity_id for one in fitting])
        states = json.dumps(named_states((one.entity_id for one in fitting), state))
        parameters: Parameters = {"entities": names, "states": states, "examined": EXAMINED}
        for searched in (self._moment.around(0) if self._moment else self._range, self._range):
            parameters |= {"first_id": searched.first_id, "end_id": searched.end_id}
            rows = [*await self._transaction.all(LAST_CHANGES, parameters)]
            rows += await self._transaction.all(LAST_TRIGGERS, parameters)
            for row in sorted(rows, key=lambda row: -row["last_id"]):
                times.setdefault(row["entity_id"], time_of(row["last_id"]))
        if not times:
            return None
        ordered = sorted(fitting, key=lambda one: self._distance(times.get(one.entity_id, 0)))
        found = await self.about_entity(ordered[0].entity_id, state)
        return found.model_copy(update={"suggestions": tuple(ordered[1 : _MAX_SUGGESTED + 1])})

    async def _about_no_entity(
        self, subject: str, fitting: tuple[Entity, ...], similar: tuple[Entity, ...], state: str | None, hint: str
    ) -> Why:
        """Answer about a text, since no entity is meant. If it is not found either, name the near entities."""
        suggestions = (*fitting, *similar)
        if not fitting and not ENTITY_ID.fullmatch(subject.lower()):
            logged = await self.about_text(subject)
            if logged.found:
                return logged
        near = [one.entity_id for one in suggestions[:3]]
        sentence = f"The history has no entity called {shortened(subject)}."
        if fitting:
            to_state = f" to {shortened(state)}" if state else ""
            nothing = self._nothing(f"No change of them{to_state}")
            sentence = f"{len(fitting)} entities fit {shortened(subject)}, such as {', '.join(near)}. {nothing}"
        elif hint:
            sentence, suggestions = hint, ()
        elif similar:
            sentence = f"No entity is called {shortened(subject)}. Did you mean {' or '.join(near)}?"
        elif await self._is_run(subject):
            sentence = (
                f"{subject} is the id of a run. Its page, or hassette show {subject}, shows its causes and effects."
            )
        return self._answer("entity", subject, (), sentence, suggestions=suggestions)

    async def _is_run(self, subject: str) -> bool:
        id_ = id_in(subject)
        return id_ is not None and await self._transaction.one(RUN, {"id": id_}) is not None

    async def about_service(self, subject: str) -> Why:
        service = subject.lower()
        rows = await calls_of(self._transaction, service, self._range)
        rows += await calls_by_home(self._transaction, self._range, service=service)
        ordered = sorted(rows, key=lambda row: self._distance(_call(row).at_us))
        found = tuple([await self._explained(row) for row in ordered[: self._limit]])
        sentence = found[0].sentence if found else self._nothing(f"No call of {shortened(service)}")
        return self._answer("service", service, found, sentence, more=len(ordered) - len(found))

    async def about_text(self, subject: str) -> Why:
        found: list[tuple[int, LogEntry | Run]] = []
        if (form := search_text(subject)) is not None:  # a filter without visible characters would find all lines
            lines = await logs_page(self._transaction, LogFilter(text=subject), self._range, limit=_MAX_LIMIT)
            failed = failures_with_text(self._transaction, form, self._range, limit=_MAX_LIMIT)
            found += [(line.at_us, line) for line in lines.lines]
            found += [(run.ended_us, run) for run in failed if run.failure is not None]
        found.sort(key=lambda one: self._distance(one[0]))
        explained = tuple([await self._explained_text(one) for _, one in found[: self._limit]])
        nothing = self._nothing(f"No log line or error with “{shortened(subject)}”")
        sentence = explained[0].sentence if explained else nothing
        return self._answer("text", subject, explained, sentence, more=len(found) - len(explained))

    def _nothing(self, what: str) -> str:
        return f"{what} is recorded {self._when}."

    def _answer(
        self,
        about: Subject,
        subject: str,
        found: tuple[Explained, ...],
        sentence: str,
        *,
        entity: Entity | None = None,
        more: int = 0,
        suggestions: tuple[Entity, ...] = (),
    ) -> Why:
        missing = tuple(dict.fromkeys(_sentence(one.missing) for one in found if one.missing))
        return Why(
            about=about,
            subject=subject,
            entity=entity,
            at_us=self._at_us,
            since_us=self._range.since_us,
            until_us=self._range.until_us,
            found=found,
            more=more,
            sentence=sentence,
            missing=missing,
            before_us=None,
            after_us=None,
            suggestions=suggestions[:_MAX_SUGGESTED],
        )

    async def _explained(self, one: FoundChange | Row) -> Explained:
        if isinstance(one, FoundChange):
            chain = await self._causes.of_change(one.change, one.user_id, missed=one.missed)
            clause, at_us = change_clause(one.change), one.change.at_us
            finding = self._finding(chain, clause, at_us, change=one.change, call=chain.causes[0].call)
            reactions, not_run = tuple(one.reactions[:MAX_RELATED]), tuple(one.not_run[:MAX_RELATED])
            return finding.model_copy(update={"reactions": reactions, "not_run": not_run})
        call = _call(one)
        if is_by_app(one):
            chain = await self._chain_of_run(one["run_id"], call)
        else:
            call = await self._dated(call, one)
            chain = await self._causes.of_call(call, one)
        return self._finding(chain, await self._call_clause(call), call.at_us, call=call)

    async def _dated(self, call: CallMade, row: Row) -> CallMade:
        """Return a call of a user with the time of its first change, if that is earlier.

        A call with the user of Hassette is recorded up to 30 s later, when it is clear that no app made it.
        """
        rows = await self._transaction.all(CHANGES_OF_CONTEXT, {"context_id": row["context_id"], "end_id": row["id"]})
        named = entities_of(call.target)
        times = [time_of(one["id"]) for one in rows if row["user_id"] and (not named or one["entity_id"] in named)]
        return call.model_copy(update={"at_us": min(call.at_us, *times[:1])}) if times else call

    async def _call_clause(self, call: CallMade) -> str:
        targets = [(await self._names.entity(one)).title for one in sorted(entities_of(call.target))[:3]]
        clause = f"{call.service} was {'rehearsed' if call.rehearsed else 'called'}"
        clause += f" for {', '.join(targets)}" if targets else ""
        return f"{clause} and failed" if call.error is not None else clause

    async def _explained_text(self, one: LogEntry | Run) -> Explained:
        if isinstance(one, Run):
            chain = await self._causes.of_run(one, None)
            clause = f"{one.registration.title} failed with “{shortened(_error_of(one))}”"
            return self._finding(chain, clause, one.ended_us, text=_error_of(one))
        if one.run_id is not None:
            chain = await self._chain_of_run(one.run_id, None)
        else:
            chain = CauseChain().end_unknown("it was logged outside the runs of handlers and jobs.")
        return self._finding(chain, f"“{shortened(one.message)}” was logged", one.at_us, text=one.message)

    async def _chain_of_run(self, run_id: int, call: CallMade | None) -> CauseChain:
        row = await self._transaction.one(RUN, {"id": run_id})
        if row is None:
            return CauseChain().end_unknown("the run has been deleted because of its age.")
        return await self._causes.of_run(run_of(row), call)

    def _finding(
        self,
        chain: CauseChain,
        clause: str,
        at_us: int,
        *,
        change: StateChange | None = None,
        call: CallMade | None = None,
        text: str | None = None,
    ) -> Explained:
        causes = tuple(chain.causes)
        return Explained(
            change=change,
            call=call,
            text=text,
            at_us=at_us,
            causes=causes,
            first_cause=causes[-1].kind,
            is_complete=not chain.missing,
            missing=chain.missing,
            sentence=explanation(clause, at_us, causes, chain.missing, self._times),
            reactions=(),
            not_run=(),
        )


def _call(row: Row) -> CallMade:
    """Convert a row of a service call, made by an app or by something else."""
    return call_of(row) if is_by_app(row) else call_by_home(row)


def _error_of(run: Run) -> str:
    return run.failure.text if run.failure is not None else ""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
