"""The question which runs failed, with their errors: of a handler, a job, an app, or of all."""

import json
from dataclasses import replace
from sqlite3 import Row
from typing import Final, NamedTuple

from hassette_store.ids import time_of
from hassette_store.kinds import KINDS
from hassette_store.statuses import FAILED_STATUSES, STATUS_NUMBERS
from hassette_sync.answers.asked import FAILURE_NOUNS, MOST_COUNTED, FailedStatus, FoundError, WhatFailed
from hassette_sync.answers.kinds import LABELS, Kind, RegistrationRef
from hassette_sync.answers.logs import FrameworkEvent
from hassette_sync.answers.runs import Run
from hassette_sync.asked_time import AskedTime
from hassette_sync.formatting import app_title, plural, status_label
from hassette_sync.home_time import ShownTimes
from hassette_sync.queries.runs import RUNS_BY_ID
from hassette_sync.questions.errors import groups_of_runs
from hassette_sync.questions.events import FrameworkEventFilter, events_page
from hassette_sync.questions.gaps import gaps_in
from hassette_sync.questions.names import (
    last_failed_start,
    near_registrations,
    registrations_named,
    registrations_that_change,
    registrations_with_words,
)
from hassette_sync.questions.periods import end_of_now
from hassette_sync.questions.rows import registration_ref, runs_of
from hassette_sync.questions.run_filters import RunSearch
from hassette_sync.questions.run_search import newest_ids
from hassette_sync.questions.runs import search_text
from hassette_sync.questions.sessions import home_time
from hassette_sync.questions.trends import error_trends
from hassette_sync.questions.wording import shortened
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import AROUND_US, DAY_US, MINUTE_US, TimeRange

_MOST_RUNS: Final = 20
_MOST_ERRORS: Final = 5
_MOST_STARTS: Final = 5
_MOST_NAMED: Final = 20
_MOST_GAPS: Final = 2
_FAILED: Final = tuple(STATUS_NUMBERS[name] for name in FAILED_STATUSES)
_LONGEST_ERROR: Final = 200


class _Verb(NamedTuple):
    """Forms of the verb for a failure: of one run or handler, of several, and the denial."""

    one: str
    several: str
    denial: str


_VERBS: Final = {
    None: _Verb("failed", "failed", "did not fail"),
    "timed_out": _Verb("timed out", "timed out", "did not time out"),
    "interrupted": _Verb("was interrupted", "were interrupted", "had no interruption"),
}
_APP_FAILED: Final = "app_failed"


async def what_failed(
    transaction: ReadTransaction,
    of: str = "",
    *,
    kind: Kind | None = None,
    status: FailedStatus | None = None,
    at: AskedTime | None = None,
) -> WhatFailed | None:
    """Return the newest failed runs of a handler, job or app, or of all; None if the name fits nothing.

    Args:
        transaction: Read transaction of the question.
        of: Name of a handler, a job or an app, or of an entity for the handlers and jobs that change it. Another text
            means failed runs with it in their error, names or log lines. An empty text means all runs.
        kind: Kind of all runs; None for both kinds.
        status: ``timed_out`` or ``interrupted``; None for all failures.
        at: The moment, or a time such as a day; None for the last 7 days, or for all runs the last 24 hours.
    """
    now_us = await end_of_now(transaction)
    times = ShownTimes(await home_time(transaction), transaction.at_us)
    rows: list[Row] = []
    if of:
        at_us = at.at_us if at is not None else now_us
        rows = (
            await registrations_named(transaction, of)
            or await registrations_that_change(transaction, of, at_us)
            or await registrations_with_words(transaction, of)
        )
    search = _Search(transaction, times, at, now_us, of, [registration_ref(row) for row in rows], kind, status)
    if of and not rows:
        return await search.about_text() or await search.about_unknown_name()
    return await search.answer()


class _Search:
    """One search for failed runs."""

    def __init__(
        self,
        transaction: ReadTransaction,
        times: ShownTimes,
        at: AskedTime | None,
        now_us: int,
        of: str,
        refs: list[RegistrationRef],
        kind: Kind | None,
        status: FailedStatus | None,
    ) -> None:
        self._transaction = transaction
        self._times = times
        self._of = of
        self._statuses = _FAILED if status is None else (STATUS_NUMBERS[status],)
        self._status: FailedStatus | None = status
        self._verb, self._noun = _VERBS[status], FAILURE_NOUNS[status]
        self._refs = refs
        self._moment = at if at is not None and not at.is_span else None
        if at is None:
            days = 7 if of else 1
            self._range = TimeRange(max(now_us - days * DAY_US, 0), now_us)
            self._when = "in the last 7 days" if of else "in the last 24 hours"
        else:
            self._range = at.around(AROUND_US)
            if self._range.since_us < now_us < self._range.until_us:
                self._range = replace(self._range, until_us=now_us)
            span = times.span(self._range.since_us, self._range.until_us)
            self._when = f"from {span}" if at.is_span else at.describe(times)
        self._search = RunSearch(first_id=self._range.first_id, below=self._range.end_id, limit=MOST_COUNTED)
        self._kind: Kind | None = None if of else kind
        if self._kind is not None:
            self._search = replace(self._search, kinds=tuple(one for one in KINDS if one.name == kind))
        if of:
            by_kind = {kind.name: tuple(ref.id for ref in refs if ref.kind == kind.name) for kind in KINDS}
            kinds = tuple(kind for kind in KINDS if by_kind[kind.name])
            self._search = replace(self._search, registrations=by_kind, kinds=kinds)

    async def answer(self) -> WhatFailed:
        failed = newest_ids(self._transaction, replace(self._search, statuses=self._statuses))
        total = len(newest_ids(self._transaction, self._search))
        runs = self._nearest(failed)
        errors = await self._errors(failed)
        before = self._last_before() if not failed else None
        starts = await self._failed_starts()
        sentences = [
            *await self._crashes_and_stops(),
            self._counted(len(failed), total, runs, before),
            *self._newness(runs, errors),
            *self._started(starts),
        ]
        return self._answered(
            failed=len(failed),
            total=total,
            sentence=" ".join(sentences),
            runs=runs,
            errors=errors,
            last_before=before,
            failed_starts=starts,
        )

    async def about_text(self) -> WhatFailed | None:
        """Answer about the failed runs with a text in their error, names or log lines; None if there are none."""
        text = search_text(self._of)
        search = replace(self._search, text=text, registrations=None, kinds=KINDS, statuses=self._statuses)
        failed = newest_ids(self._transaction, search) if text is not None else []
        if not failed:
            return None
        runs, errors = self._nearest(failed), await self._errors(failed)
        sentences = [self._counted(len(failed), len(failed), runs, None), *self._newness(runs, errors)]
        return self._answered(
            failed=len(failed), total=len(failed), sentence=" ".join(sentences), runs=runs, errors=errors
        )

    async def about_unknown_name(self) -> WhatFailed | None:
        """Answer about a name that no handler, job or app has; None if no known name is similar."""
        name = shortened(self._of)
        at_us = min(self._range.until_us, self._transaction.at_us)
        if (start := await last_failed_start(self._transaction, self._of, at_us)) is not None:
            detail = (start["detail"] or "unknown").removesuffix(".")
            app, when = app_title(start["subject"]), self._times(start["at_us"])
            sentence = f"{name} has no runs, because the app {app} failed to start at {when}: {detail}."
            return self._answered(sentence=sentence, failed_starts=await self._failed_starts())
        near = await near_registrations(self._transaction, self._of)
        if not near:
            return None
        names = " or ".join(ref.title for ref in near[:3])
        sentence = f"No handler, job or app is called {name}. Did you mean {names}?"
        return self._answered(sentence=sentence, suggestions=tuple(near[:_MOST_NAMED]))

    def _answered(
        self,
        *,
        sentence: str,
        failed: int = 0,
        total: int = 0,
        runs: tuple[Run, ...] = (),
        errors: tuple[FoundError, ...] = (),
        last_before: Run | None = None,
        failed_starts: tuple[FrameworkEvent, ...] = (),
        suggestions: tuple[RegistrationRef, ...] = (),
    ) -> WhatFailed:
        return WhatFailed(
            subject=self._of,
            registrations=tuple(self._refs[:_MOST_NAMED]),
            kind=self._kind,
            status=self._status,
            at_us=self._moment.at_us if self._moment is not None else None,
            since_us=self._range.since_us,
            until_us=self._range.until_us,
            failed=failed,
            total=total,
            sentence=sentence,
            runs=runs,
            errors=errors,
            last_before=last_before,
            failed_starts=failed_starts,
            suggestions=suggestions,
        )

    def _nearest(self, failed: list[int]) -> tuple[Run, ...]:
        """Return some of the failed runs: the nearest to the moment first, or the newest."""
        if self._moment is None:
            return self._runs(failed[:_MOST_RUNS])
        middle_us = self._moment.at_us + self._moment.length_us // 2
        nearest = sorted(failed, key=lambda run_id: abs(time_of(run_id) - middle_us))[:_MOST_RUNS]
        return tuple(sorted(self._runs(nearest), key=lambda run: nearest.index(run.id)))

    def _runs(self, ids: list[int]) -> tuple[Run, ...]:
        return runs_of(self._transaction.rows(RUNS_BY_ID, {"ids": json.dumps(ids)}))

    async def _errors(self, failed: list[int]) -> tuple[FoundError, ...]:
        groups, _ = await groups_of_runs(self._transaction, failed, limit=_MOST_ERRORS)
        trends = await error_trends(self._transaction, groups, self._range)
        return tuple(
            FoundError(group=group, is_new=trend.is_new, is_back=trend.is_back)
            for group, trend in zip(groups, trends, strict=True)
        )

    def _last_before(self) -> Run | None:
        before = replace(self._search, first_id=0, below=self._range.first_id, limit=1, statuses=self._statuses)
        found = self._runs(newest_ids(self._transaction, before))
        return found[0] if found else None

    async def _failed_starts(self) -> tuple[FrameworkEvent, ...]:
        """Return the newest failed starts: of the apps that the question means, or of all apps."""
        apps = {ref.app for ref in self._refs} or ({self._of.partition(".")[0]} if self._of else {None})
        found: list[FrameworkEvent] = []
        for app in apps:
            wanted = FrameworkEventFilter(group="lifecycle", text=_APP_FAILED, routine=False, app=app)
            page = await events_page(self._transaction, wanted, self._range, limit=_MOST_STARTS)
            found += [event for event in page.events if event.kind == _APP_FAILED]
        return tuple(sorted(found, key=lambda event: event.id, reverse=True)[:_MOST_STARTS])

    async def _crashes_and_stops(self) -> list[str]:
        """Return a sentence about each of the newest times without a running Hassette, in an answer about all runs."""
        if self._of:
            return []
        gaps = [
            gap
            for gap in await gaps_in(self._transaction, self._range)
            if gap.outcome == "crashed" or gap.until_us is None or gap.until_us - gap.from_us > MINUTE_US
        ]
        return [gap.describe(self._times) for gap in gaps[:_MOST_GAPS]]

    def _counted(self, failed: int, total: int, runs: tuple[Run, ...], before: Run | None) -> str:
        """Return the sentence about the number of failures, and the nearest or newest of them."""
        who, is_one = self._who(), len(self._refs) == 1
        if not total:
            return f"No run{f' of {who}' if who else ''} is recorded {self._when}.{self._before(before)}"
        if not runs:
            did = f"{who[:1].upper()}{who[1:]}" if who.startswith("the ") else who
            number = f"{_at_least(total)} {'run' if total == 1 else 'runs'}"
            did = f"{did} {self._verb.denial}" if self._of else f"No run{f' of {who}' if who else ''} {self._verb.one}"
            return f"{did} {self._when} ({number}).{self._before(before)}"
        best = runs[0]
        when, error = self._times(best.started_us), _error_of(best)
        if failed == 1:
            return f"{best.registration.title} {self._verb.one} once {self._when}, at {when}: {error}."
        nearest = "nearest" if self._moment is not None else "newest"
        if is_one:
            number = f"{self._verb.one} {_at_least(failed)} times"
            return f"{who} {number} {self._when}. The {nearest} {self._noun} was at {when}: {error}."
        number = _at_least(failed).capitalize()
        return (
            f"{number} runs{self._runs_of(who)} {self._verb.several} {self._when}. The {nearest} one was "
            f"{best.registration.title} at {when}: {error}."
        )

    def _runs_of(self, who: str) -> str:
        return f" {'of' if self._refs or not self._of else 'with'} {who}" if who else ""

    def _who(self) -> str:
        """Return the subject in words; an empty text for all runs."""
        if not self._of:
            return LABELS[self._kind].plural if self._kind is not None else ""
        if len(self._refs) == 1:
            return self._refs[0].title
        if not self._refs:
            return f"“{shortened(self._of)}”"
        return f"the {len(self._refs)} handlers and jobs of {shortened(self._of)}"

    def _before(self, before: Run | None) -> str:
        if before is None:
            return f" No earlier {self._noun} is recorded."
        of_which = "" if len(self._refs) == 1 else f"of {before.registration.title} "
        when = f"{of_which}at {self._times(before.started_us)}"
        return f" The last {self._noun} before that time was {when}: {_error_of(before)}."

    def _newness(self, runs: tuple[Run, ...], errors: tuple[FoundError, ...]) -> list[str]:
        group_id = runs[0].failure.error_group_id if runs and runs[0].failure is not None else None
        best = next((one for one in errors if one.group.id == group_id), None)
        found: list[str] = []
        if best is not None:
            first = self._times(best.group.first_seen_us)
            number = plural(best.group.count, "failure")
            if best.is_new:
                found.append(f"This error is new: its first failure was at {first}.")
            elif best.is_back:
                found.append(f"This error is back after a pause. It began at {first}, and it has {number} in total.")
            else:
                found.append(f"This error began before that time, at {first}, and it has {number} in total.")
        if len(errors) > 1:
            new = sum(one.is_new for one in errors)
            at_least, are = "at least " if len(errors) == _MOST_ERRORS else "", "is" if new <= 1 else "are"
            found.append(f"There are {at_least}{len(errors)} different errors, and {new or 'none'} of them {are} new.")
        return found

    def _started(self, starts: tuple[FrameworkEvent, ...]) -> list[str]:
        return [
            f"The app {app_title(start.subject)} failed to start at {self._times(start.at_us)}: "
            f"{start.detail.removesuffix('.')}."
            for start in starts[:1]
        ]


def _at_least(number: int) -> str:
    return f"at least {number:,}" if number >= MOST_COUNTED else f"{number:,}"


def _error_of(run: Run) -> str:
    if run.failure is None:
        return status_label(run.status)
    text = run.failure.text.removesuffix(".")
    return text if len(text) <= _LONGEST_ERROR else f"{text[: _LONGEST_ERROR - 1]}…"
