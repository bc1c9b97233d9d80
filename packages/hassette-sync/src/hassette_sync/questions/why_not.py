"""The question why a handler or job did not run."""

import json
from collections import Counter
from sqlite3 import Row

from hassette_store.ids import first_id_at
from hassette_sync.answers.explanations import NotRunEntry, StateChange, WhyNot
from hassette_sync.answers.kinds import EventTrigger
from hassette_sync.answers.runs import Run
from hassette_sync.asked_time import AskedTime
from hassette_sync.errors import BadQuestionError
from hassette_sync.formatting import app_title, plural, reason_label, replace_surrogates, status_label
from hassette_sync.home_time import ShownTimes
from hassette_sync.queries import why_not as queries
from hassette_sync.queries.not_runs import not_runs_sql
from hassette_sync.queries.runs import SERVICE_CALLS
from hassette_sync.queries.statistics import HOURLY
from hassette_sync.questions.gravest import OBSTACLES, gravest_first
from hassette_sync.questions.missed_due_times import missed_due_time
from hassette_sync.questions.names import (
    counted,
    last_failed_start,
    near_entities,
    near_names,
    near_registrations,
    registrations_named,
    registrations_that_change,
    registrations_that_change_each,
    registrations_with_words,
)
from hassette_sync.questions.not_runs import sample_of
from hassette_sync.questions.obstacles import Checks, Surroundings
from hassette_sync.questions.periods import end_of_now
from hassette_sync.questions.rows import facts_of, registration_ref, run_of
from hassette_sync.questions.runs import LONGEST_RUN_US, check_text
from hassette_sync.questions.sessions import home_time
from hassette_sync.questions.topic_changes import TopicChanges
from hassette_sync.questions.wording import change_clause, shortened
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import AROUND_US, HOUR_US, SECOND_US, TimeRange

_NEWEST_US = {"handler": HOUR_US, "job": 24 * HOUR_US}
_MAX_LISTED = 20
_FILTERS = ("changed_from", "changed_to", "attribute", "duration", "debounce")
_NEVER_US = -1
"""Time of the newest trigger if there was none: before each recorded time."""


async def why_not(
    transaction: ReadTransaction, of: str, *, at: AskedTime | None = None, state: str | None = None
) -> WhyNot:
    """Return why a handler or job did not run: a list of checks, and the first reason in one sentence.

    Args:
        transaction: Read transaction of the question.
        of: Name: ``APP``, ``APP.HANDLER``, ``APP.INSTANCE.HANDLER``, or the id of a handler or job. An entity stands
            for the handlers and jobs that usually change it, and words such as ``lights`` for those of several
            entities. The answer about the one with the gravest obstacle comes first.
        state: For an entity: the state that it should have got, such as ``on``; None for any state.
        at: The moment, or a time such as a day; None for the last hour, or the last 24 hours of a job.

    Raises:
        BadQuestionError: The name is empty or too long.
    """
    check_text(of)
    of = replace_surrogates(of.strip())
    if not of:
        raise BadQuestionError(f"must be the name of a handler or job, got {of!r}.", parameter="of")
    rows = await registrations_named(transaction, of)
    now_us = await end_of_now(transaction)
    times = ShownTimes(await home_time(transaction), transaction.at_us)
    if not rows:
        at_us = at.at_us if at is not None else now_us
        rows = await registrations_that_change(transaction, of, at_us, state)
        each = [] if rows else await registrations_that_change_each(transaction, of, at_us, state)
        usual = [(row, one.title) for one, found in each for row in found[:1]] or [(row, "") for row in rows]
        if len(usual) > 1 or (each and usual):
            answers = [
                (await _Answer(transaction, row, times, at, now_us).answer(), title)
                for row, title in usual[:_MAX_LISTED]
            ]
            return gravest_first(answers, unchanged=tuple(one.title for one, found in each if not found))
    rows = rows or await registrations_with_words(transaction, of)
    if len(rows) != 1:
        return await _unclear(transaction, of, rows, at.at_us if at is not None else now_us, times)
    return await _Answer(transaction, rows[0], times, at, now_us).answer()


async def _unclear(transaction: ReadTransaction, of: str, rows: list[Row], at_us: int, times: ShownTimes) -> WhyNot:
    suggestions = tuple(registration_ref(row) for row in rows[:_MAX_LISTED])
    reason = "unknown" if rows else "not_registered"
    if rows:
        sentence = f"{shortened(of)} has {counted(rows)}. Ask about one of them."
    elif (failure := await last_failed_start(transaction, of, at_us)) is not None:
        reason = "disabled"
        sentence = (
            f"{shortened(of)} has not been registered, because the app {app_title(failure['subject'])} failed to start "
            f"at {times(failure['at_us'])}: {(failure['detail'] or 'unknown').removesuffix('.')}."
        )
    else:
        near = await near_registrations(transaction, of)
        names = [ref.title for ref in near[:3]] or await near_entities(transaction, of.lower())
        for name in () if near else await near_names(transaction, of):
            found = await transaction.all(queries.REGISTRATIONS_NAMED, {"name": name})
            near += [registration_ref(row) for row in found]
        suggestions = tuple(near)
        hint = f" Did you mean {' or '.join(names)}?" if names else ""
        sentence = f"No handler, job or app is called {shortened(of)}.{hint}"
    return WhyNot(
        registration=None,
        listens_to="",
        at_us=at_us,
        since_us=at_us,
        until_us=at_us,
        reason=reason,
        sentence=sentence,
        checks=(),
        runs=(),
        not_run=(),
        last_run=None,
        changes=(),
        suggestions=suggestions[:_MAX_LISTED],
    )


class _Answer:
    """The answer about one handler or job around a moment, in the order of the path of an event."""

    def __init__(
        self, transaction: ReadTransaction, row: Row, times: ShownTimes, at: AskedTime | None, now_us: int
    ) -> None:
        self._transaction = transaction
        self._row = row
        self._times = times
        self._ref = registration_ref(row)
        if at is None:
            self._at_us = transaction.at_us
            self._range = TimeRange(max(now_us - _NEWEST_US[self._ref.kind], 0), now_us)
            self._end_us = self._range.until_us
            self._when = f"since {times(self._range.since_us)}"
        else:
            self._range = at.around(AROUND_US)
            # For a day, the checks show the state at its end, or the present state.
            self._at_us = min(self._range.until_us, transaction.at_us) if at.is_span else at.at_us
            self._end_us = at.at_us + at.length_us
            self._when = at.describe(times)
        self._is_span = at is not None and at.is_span
        self._checks = Checks()
        self._surroundings = Surroundings(
            transaction,
            row,
            times,
            self._range,
            at_us=self._at_us,
            end_us=self._end_us,
            is_span=self._is_span,
            is_now=at is None,
            checks=self._checks,
        )
        self._of_topic = TopicChanges(transaction, row["listens_to"], self._range, self._at_us)
        self._asks_about_now = at is None
        # A trigger that did not run is the best explanation: it names the decision itself.
        self._decided: tuple[str, str] | None = None
        self._missed: tuple[str, str] | None = None

    async def answer(self) -> WhyNot:
        runs = await self._runs()
        not_run = await self._not_run()
        changes = await self._of_topic.changes(_MAX_LISTED)
        last_run = await self._last_run()
        await self._surroundings.check(events_arrived=_events_arrived(runs, not_run, changes))
        await self._check_triggered(runs, not_run, changes, last_run)
        self._check_outcome(not_run, runs, await self._skips())
        self._check_ran(runs, last_run)
        not_done = await self._check_calls(runs)
        reason, sentence = self._conclusion(runs, not_run, not_done)
        return WhyNot(
            registration=self._ref,
            listens_to=self._row["listens_to"],
            at_us=None if self._is_span else self._at_us,
            since_us=self._range.since_us,
            until_us=self._range.until_us,
            reason=reason,
            sentence=sentence,
            checks=tuple(self._checks.found),
            runs=runs,
            not_run=not_run,
            last_run=last_run,
            changes=changes,
            suggestions=(),
        )

    async def _runs(self) -> tuple[Run, ...]:
        near = {
            "registration_id": self._ref.id,
            "first_id": self._range.first_id,
            "end_id": first_id_at(self._range.until_us + LONGEST_RUN_US),
            "until_us": self._range.until_us,
            "limit": _MAX_LISTED,
        }
        return tuple(map(run_of, await self._transaction.all(queries.RUNS_NEAR, dict(near))))

    async def _last_run(self) -> Run | None:
        before = {
            "registration_id": self._ref.id,
            "first_id": 0,
            "end_id": self._range.end_id,
            "until_us": self._range.until_us,
            "limit": 1,
        }
        row = await self._transaction.one(queries.RUNS_NEAR, dict(before))
        return run_of(row) if row is not None else None

    async def _not_run(self) -> tuple[NotRunEntry, ...]:
        parameters = {
            "since_us": self._range.since_us,
            "before_us": self._range.until_us,
            "cursor": 0,
            "limit": _MAX_LISTED,
            "registrations": json.dumps([self._ref.id]),
        }
        rows = await self._transaction.all(not_runs_sql(["registrations"]), dict(parameters))
        return tuple(sample_of(row) for row in rows)

    async def _check_triggered(
        self,
        runs: tuple[Run, ...],
        not_run: tuple[NotRunEntry, ...],
        changes: tuple[StateChange, ...],
        last_run: Run | None,
    ) -> None:
        question = "Was there a trigger?"
        if runs or not_run:
            count = len(runs) + len(not_run)
            at_least = "at least " if _MAX_LISTED in (len(runs), len(not_run)) else ""
            detail = f"There {'was' if count == 1 else 'were'} {at_least}{plural(count, 'trigger')}."
            self._checks.add("triggered", question, "yes", detail)
            return
        listens_to = shortened(self._row["listens_to"])
        if self._ref.kind == "job":
            missed = await missed_due_time(self._transaction, self._row["listens_to"], self._range, self._times)
            if missed is not None:
                self._missed = ("framework_down", missed[0])
                self._checks.add("triggered", question, "no", missed[0], at_us=missed[1], reason="framework_down")
                return
        if changes:
            settings = facts_of(self._row["settings"])
            filters = ", ".join(f"{name} {settings[name]}" for name in _FILTERS if name in settings)
            needs = f"it needs {filters}" if filters else "no run or skipped run of it is recorded"
            detail = f"{change_clause(changes[0])} at {self._times(changes[0].at_us)}, but {needs}."
            self._checks.add("triggered", question, "no", detail, at_us=changes[0].at_us, reason="not_matching")
            return
        last = f" Its last run was at {self._times(last_run.started_us)}." if last_run is not None else " It never ran."
        what = "due time of the schedule" if self._ref.kind == "job" else "event of"
        detail = f"No {what} {listens_to} is recorded.{await self._of_topic.hints()}{last}"
        at_us = last_run.started_us if last_run is not None else None
        self._checks.add("triggered", question, "no", detail, at_us=at_us, reason="nothing_came")

    async def _skips(self) -> Counter[str]:
        """Return the counts of triggers without a run in the whole hours around the searched time, by reason."""
        hours = {"first": self._range.since_us // HOUR_US, "last": (self._range.until_us - 1) // HOUR_US}
        counts = Counter[str]()
        for row in await self._transaction.all(HOURLY.skips_of_one, {"registration_id": self._ref.id, **hours}):
            counts[row["reason"]] += row["count"]
        return counts

    def _check_outcome(self, not_run: tuple[NotRunEntry, ...], runs: tuple[Run, ...], skips: Counter[str]) -> None:
        question = "Was each trigger allowed to run?"
        if not not_run and skips and not runs:
            # Only the newest 20 triggers are kept with their time. All are counted by the hour.
            counts = ", ".join(f"{reason_label(reason)} ({count:,} ×)" for reason, count in skips.most_common())
            detail = f"In the whole hours around this time, triggers led to no run: {counts}."
            self._checks.add("allowed", question, "no", detail)
            self._decided = (skips.most_common(1)[0][0], detail)
        elif not not_run and not runs:
            self._checks.add("allowed", question, "unknown", "There was no trigger.")
        elif not not_run and not skips:
            self._checks.add("allowed", question, "yes", "Each trigger led to a run.")
        elif not not_run:
            self._checks.add(
                "allowed", question, "unknown", "The history has no details of triggers without a run for this time."
            )
        else:
            nearest = min(not_run, key=lambda one: abs(one.at_us - self._at_us))
            because = f" ({nearest.detail.removesuffix('.')})" if nearest.detail else ""
            detail = f"At {self._times(nearest.at_us)}: {reason_label(nearest.reason)}{because}."
            self._checks.add("allowed", question, "no", detail, at_us=nearest.at_us)
            self._decided = (nearest.reason, detail)

    def _check_ran(self, runs: tuple[Run, ...], last_run: Run | None) -> None:
        question = "Did it run?"
        if runs:
            nearest = self._nearest(runs)
            detail = f"It ran at {self._times(nearest.started_us)} ({status_label(nearest.status)})."
            self._checks.add("ran", question, "yes", detail, at_us=nearest.started_us)
        elif last_run is not None:
            detail = f"The last run before was at {self._times(last_run.started_us)}."
            self._checks.add("ran", question, "no", detail, at_us=last_run.started_us)
        else:
            self._checks.add("ran", question, "no", "No run is stored.")

    def _nearest(self, runs: tuple[Run, ...]) -> Run:
        return min(runs, key=lambda run: abs(run.started_us - self._at_us))

    async def _check_calls(self, runs: tuple[Run, ...]) -> str:
        """Check the service calls of the nearest run. Return in words which of them changed nothing."""
        if not runs:
            return ""
        rows = await self._transaction.all(SERVICE_CALLS, {"id": self._nearest(runs).id})
        rehearsed = sorted({row["service"] for row in rows if row["rehearsed"]})
        failed = next((row for row in rows if row["error"] is not None), None)
        detail = ""
        if rehearsed:
            detail = f"The app rehearsed, so {', '.join(rehearsed[:3])} was not sent."
        elif failed is not None:
            detail = f"{failed['service']} failed: {shortened(failed['error']).removesuffix('.')}."
        if rows:
            done = "Home Assistant carried out each of its service calls."
            self._checks.add("calls", "Were its service calls carried out?", "no" if detail else "yes", detail or done)
        return f" {detail}" if detail else ""

    def _obstacle(self, runs: tuple[Run, ...], not_run: tuple[NotRunEntry, ...]) -> tuple[str, str] | None:
        """Return what kept it from running at the moment, since its last trigger before that; None if nothing did.

        A trigger within the moment, or a question about a whole day, needs no such reason.
        """
        triggers_us = (*(run.started_us for run in runs), *(one.at_us for one in not_run))
        newest_us = max((at_us for at_us in triggers_us if at_us < self._end_us), default=_NEVER_US)
        if self._is_span or newest_us >= self._at_us:
            return None
        # The registration of a job that is due only once ends with its run, or with the decision not to run.
        before = [run.ended_us for run in runs if run.started_us < self._end_us]
        ended_us = max((newest_us, *before)) + SECOND_US
        for reason, detail, at_us in self._checks.reasons:
            after_us = ended_us if reason == "not_registered" else newest_us
            # A reason without a time held during the whole moment, but it may have ended before now. It is an obstacle
            # at a past moment without a trigger before it, and never an obstacle now.
            holds = (not self._asks_about_now and after_us == _NEVER_US) if at_us is None else at_us > after_us
            if reason in OBSTACLES and holds:
                return reason, detail
        return None

    def _conclusion(self, runs: tuple[Run, ...], not_run: tuple[NotRunEntry, ...], not_done: str) -> tuple[str, str]:
        title = self._ref.title
        obstacle = self._obstacle(runs, not_run)
        if obstacle is not None and runs:
            nearest, because = self._nearest(runs), obstacle[1].removesuffix(".")
            run = f"{self._times(nearest.started_us)} ({status_label(nearest.status)})"
            if self._asks_about_now:
                return obstacle[0], f"{title} has not run since {run}. {because}."
            did_not = f"{title} did not run at {self._times(self._at_us)}"
            return obstacle[0], f"{did_not}. {because}. The nearest run was at {run}."
        self._decided = self._missed or obstacle or self._decided
        if runs and self._decided is None:
            nearest = self._nearest(runs)
            result = status_label(nearest.status)
            return (
                "ran",
                f"{title} did run {self._when}: at {self._times(nearest.started_us)} ({result}).{not_done}",
            )
        reason, detail = self._decided or (
            self._checks.reasons[0][:2] if self._checks.reasons else ("unknown", "The history does not show why.")
        )
        searches_time = (self._is_span or self._asks_about_now) and self._missed is None
        is_partial = reason == "framework_down" or (reason == "not_connected" and self._decided is None)
        if searches_time and is_partial and len(self._checks.reasons) > 1:
            # Hassette was stopped or not connected during a part of this time only. This may not be the reason, so add
            # the next one.
            detail = f"{detail} {self._checks.reasons[1][1]}"
        did = f"did not run {self._when}"
        if runs:
            times = "once" if len(runs) == 1 else f"{len(runs)} times"
            at_least = "at least " if len(runs) == _MAX_LISTED else ""
            did = f"ran {at_least}{times} {self._when}, but not for each trigger"
        return reason, f"{title} {did}. {detail.removesuffix('.')}."


def _events_arrived(runs: tuple[Run, ...], not_run: tuple[NotRunEntry, ...], changes: tuple[StateChange, ...]) -> bool:
    """Return whether Home Assistant sent events in the searched time. Its events have a context, those of apps not."""
    triggers = [*(run.trigger for run in runs), *(one.trigger for one in not_run)]
    return bool(changes) or any(isinstance(one, EventTrigger) and one.context_id for one in triggers)
