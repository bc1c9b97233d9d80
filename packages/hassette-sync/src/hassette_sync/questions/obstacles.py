"""Checks of everything around a handler or job: was it registered, and were Hassette, its app and the connection up?"""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from sqlite3 import Row
from typing import Literal

from hassette_store.ids import first_id_at
from hassette_sync.answers.explanations import WhyNotCheck
from hassette_sync.formatting import app_title
from hassette_sync.home_time import ShownTimes
from hassette_sync.queries import causes as cause_queries
from hassette_sync.queries import why_not as queries
from hassette_sync.questions.authors import author_in
from hassette_sync.questions.gaps import MANY_GAPS, end_verb, gaps_in
from hassette_sync.questions.rows import registration_ref
from hassette_sync.questions.sessions import HEARTBEAT_OVERDUE_US, history_lost_until
from hassette_sync.questions.wording import shortened
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import TimeRange

_MAX_GAPS = 3
_QUESTIONS = {
    "registered": "Was it registered?",
    "framework_up": "Was Hassette running?",
    "enabled": "Was its app running, and was it enabled?",
    "connected": "Was Hassette connected to Home Assistant?",
}
Result = Literal["yes", "no", "unknown"]


@dataclass(slots=True)
class Checks:
    """Checks with their results.

    Attributes:
        found: The checks, in the order of the path of an event.
        reasons: For each check that explains why nothing ran: the short reason, the finding in words, and its time.
    """

    found: list[WhyNotCheck] = field(default_factory=list[WhyNotCheck])
    reasons: list[tuple[str, str, int | None]] = field(default_factory=list[tuple[str, str, "int | None"]])

    def add(
        self, name: str, question: str, result: Result, detail: str, *, at_us: int | None = None, reason: str = ""
    ) -> None:
        """Add a check. A ``reason`` counts only if the result is ``no``."""
        self.found.append(WhyNotCheck(name=name, question=question, result=result, detail=detail, at_us=at_us))
        if result == "no" and reason:
            self.reasons.append((reason, detail, at_us))


class Surroundings:
    """Everything that must be up before an event or a due time can reach a handler or job.

    Args:
        transaction: Read transaction of the question.
        row: The handler or job.
        times: Formats times.
        time_range: The searched time.
        at_us: The moment of the question.
        end_us: End of this moment, for example of a whole minute; else the end of the searched time.
        is_span: Whether the question is about the whole searched time, such as a day, and not about a moment.
        is_now: Whether the question is about the present moment, and the time before it is searched.
        checks: Gets the checks.
    """

    def __init__(
        self,
        transaction: ReadTransaction,
        row: Row,
        times: ShownTimes,
        time_range: TimeRange,
        *,
        at_us: int,
        end_us: int,
        is_span: bool,
        is_now: bool,
        checks: Checks,
    ) -> None:
        self._transaction = transaction
        self._row = row
        self._ref = registration_ref(row)
        self._times = times
        self._range = time_range
        self._at_us = at_us
        self._is_span = is_span
        self._is_now = is_now
        self._checks = checks
        self._end_us = end_us
        self._moment_end_id = first_id_at(end_us)

    async def check(self, *, events_arrived: bool) -> None:
        """Add all checks.

        Args:
            events_arrived: Whether events of Home Assistant arrived in the searched time. This proves the connection.
        """
        lost_us = await history_lost_until(self._transaction, min(self._at_us, self._transaction.at_us))
        if lost_us is not None:
            detail = f"The history before {self._times(lost_us)} was lost."
            for name, question in _QUESTIONS.items():
                self._checks.add(name, question, "unknown", detail, at_us=lost_us)
            self._checks.reasons.append(("history_lost", detail, lost_us))
            return
        retired = self._check_registered()
        session = await self._check_framework()
        await self._check_enabled(session)
        await self._check_connected(session, events_arrived)
        if retired is not None:
            # If Hassette or the app was not running, nothing was registered. Then this is the better reason.
            self._checks.reasons.append(retired)

    def _check_registered(self) -> tuple[str, str, int | None] | None:
        """Add a check. Return a reason if the registration had ended."""
        question = _QUESTIONS["registered"]
        first_us, retired_us = self._row["first_registered_us"], self._row["retired_us"]
        if first_us > self._end_us:
            detail = f"It was registered for the first time at {self._times(first_us)}."
            self._checks.add("registered", question, "no", detail, at_us=first_us, reason="not_registered")
        elif retired_us is not None and retired_us < (self._range.since_us if self._is_span else self._at_us):
            detail = f"It has not been registered since {self._times(retired_us)}."
            self._checks.add("registered", question, "no", detail, at_us=retired_us)
            return "not_registered", detail, retired_us
        else:
            does = "Its schedule is" if self._ref.kind == "job" else "It listens to"
            self._checks.add("registered", question, "yes", f"{does} {shortened(self._row['listens_to'])}.")
        return None

    async def _check_framework(self) -> Row | None:
        question = _QUESTIONS["framework_up"]
        row = await self._transaction.one(queries.SESSION_BEFORE, {"at_us": min(self._at_us, self._range.until_us)})
        if row is None:
            detail = "Hassette had not been started before."
            self._checks.add("framework_up", question, "no", detail, reason="framework_down")
            return None
        end_us, is_open = row["end_us"], row["outcome"] == "open"
        # Only the end of a session that was stopped is exact.
        is_stopped_now = self._is_now and row["outcome"] == "clean"
        if (
            not is_stopped_now
            and end_us >= (min(self._at_us, self._transaction.at_us) if is_open else self._at_us) - HEARTBEAT_OVERDUE_US
        ):
            if (self._is_span or self._is_now) and (gaps := await self._gaps()):
                detail = f"Hassette was not running {self._spans(gaps)}."
                self._checks.add("framework_up", question, "no", detail, at_us=gaps[-1][0], reason="framework_down")
                return row
            detail = f"It started at {self._times(row['started_us'])}."
            self._checks.add("framework_up", question, "yes", detail, at_us=row["started_us"])
            return row
        detail = f"Hassette {end_verb(row['outcome'])} at {self._times(end_us)} and was not running."
        self._checks.add("framework_up", question, "no", detail, at_us=end_us, reason="framework_down")
        return None

    async def _gaps(self) -> list[tuple[int, int]]:
        """Return the longest gaps between two sessions in the searched time, in ascending order."""
        gaps = await gaps_in(self._transaction, self._range, limit=MANY_GAPS)
        spans = [
            (max(gap.from_us, self._range.since_us), gap.until_us)
            for gap in gaps
            if gap.until_us is not None and gap.until_us < self._range.until_us
        ]
        return _longest(spans)

    def _spans(self, spans: list[tuple[int, int]]) -> str:
        return " and ".join(f"from {self._times(since)} to {self._times(until)}" for since, until in spans)

    async def _last_event(self, session: Row, subjects: tuple[str, ...], kinds: tuple[str, ...]) -> Row | None:
        return await self._transaction.one(
            queries.LAST_EVENT,
            {
                "first_id": first_id_at(session["started_us"]),
                "end_id": self._moment_end_id,
                "examined": cause_queries.EXAMINED,
                "subjects": json.dumps(subjects),
                "kinds": json.dumps(kinds),
            },
        )

    async def _check_enabled(self, session: Row | None) -> None:
        question = _QUESTIONS["enabled"]
        if session is None:
            self._checks.add("enabled", question, "unknown", "Hassette was not running.")
            return
        ref = self._ref
        app = (ref.app, f"{ref.app}.{ref.instance}")
        row = await self._last_event(
            session, app, ("app_started", "app_stopped", "app_failed", "control_disable_app", "control_enable_app")
        )
        paused = await self._last_event(
            session,
            (ref.title, f"{ref.app}.{ref.instance}.{ref.name}", f"{ref.app}.{ref.name}"),
            ("control_pause_job", "control_resume_job"),
        )
        if row is not None and row["kind"] in ("app_failed", "app_stopped", "control_disable_app"):
            what = {"app_failed": "failed", "app_stopped": "was stopped"}.get(row["kind"], "was disabled")
            author = author_in(row["detail"])
            what += f" by {shortened(author)}" if author is not None else ""
            because = f": {shortened(row['detail']).removesuffix('.')}" if row["detail"] and author is None else ""
            detail = f"The app {app_title(row['subject'])} {what} at {self._times(row['at_us'])}{because}."
            self._checks.add("enabled", question, "no", detail, at_us=row["at_us"], reason="disabled")
        elif paused is not None and paused["kind"] == "control_pause_job":
            author = author_in(paused["detail"])
            by = f" by {shortened(author)}" if author is not None else ""
            detail = f"The job was paused{by} at {self._times(paused['at_us'])}."
            self._checks.add("enabled", question, "no", detail, at_us=paused["at_us"], reason="disabled")
        elif row is None:
            self._checks.add("enabled", question, "unknown", "No start of the app is recorded in this session.")
        else:
            detail = f"The app was started at {self._times(row['at_us'])}."
            self._checks.add("enabled", question, "yes", detail, at_us=row["at_us"])

    async def _check_connected(self, session: Row | None, events_arrived: bool) -> None:
        question = _QUESTIONS["connected"]
        if session is None:
            self._checks.add("connected", question, "unknown", "Hassette was not running.")
            return
        row = await self._transaction.one(
            cause_queries.CONNECTION_AT,
            {
                "session_id": session["id"],
                "first_id": first_id_at(session["started_us"]),
                "end_id": self._moment_end_id,
            },
        )
        # A job also runs without the connection.
        reason = "not_connected" if self._ref.kind == "handler" else ""
        if row is None and events_arrived:
            self._checks.add("connected", question, "yes", "Events from Home Assistant arrived.")
        elif row is None:
            self._checks.add("connected", question, "unknown", "No loss of the connection is recorded in this session.")
        elif row["kind"] == "connection_lost":
            detail = f"The connection to Home Assistant was lost at {self._times(row['at_us'])}."
            self._checks.add("connected", question, "no", detail, at_us=row["at_us"], reason=reason)
        elif row["at_us"] > self._at_us:
            detail = f"Hassette was not connected to Home Assistant until {self._times(row['at_us'])}."
            self._checks.add("connected", question, "no", detail, at_us=row["at_us"], reason=reason)
        elif (self._is_span or self._is_now) and (outages := await self._outages()):
            self._checks.add(
                "connected",
                question,
                "no",
                f"Hassette was not connected to Home Assistant {self._spans(outages)}.",
                reason=reason,
            )
        else:
            detail = f"It connected at {self._times(row['at_us'])}."
            self._checks.add("connected", question, "yes", detail, at_us=row["at_us"])

    async def _outages(self) -> list[tuple[int, int]]:
        """Return the longest times without a connection in the searched time, in ascending order."""
        within = {"first_id": self._range.first_id, "end_id": self._range.end_id}
        rows = await self._transaction.all(queries.CONNECTIONS_IN, dict(within))
        outages = [
            (before["at_us"], after["at_us"])
            for before, after in pairwise(rows)
            if (before["kind"], after["kind"]) == ("connection_lost", "connection_restored")
            and before["session_id"] == after["session_id"]
        ]
        if rows and rows[0]["kind"] == "connection_restored":
            outages.insert(0, (self._range.since_us, rows[0]["at_us"]))
        return _longest(outages)


def _longest(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest times that are longer than a missing heartbeat, in ascending order."""
    long = [span for span in spans if span[1] - span[0] > HEARTBEAT_OVERDUE_US]
    return sorted(sorted(long, key=lambda span: span[0] - span[1])[:_MAX_GAPS])
