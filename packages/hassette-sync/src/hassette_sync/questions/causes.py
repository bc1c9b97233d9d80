"""Follow a change back to its first cause, from one context of Home Assistant to the next."""

from dataclasses import dataclass, field
from sqlite3 import Row

from hassette_store.ids import first_id_at
from hassette_sync.answers.explanations import CallMade, Cause, StateChange
from hassette_sync.answers.kinds import DueTrigger, EventTrigger
from hassette_sync.answers.runs import Run
from hassette_sync.queries import causes as queries
from hassette_sync.queries.registrations import REGISTRATION
from hassette_sync.queries.runs import RUN
from hassette_sync.questions.entities import HomeNames
from hassette_sync.questions.rows import run_of
from hassette_sync.questions.wording import app_clause, change_clause, job_clause
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import MINUTE_US, SECOND_US

MAX_STEPS = 20
EXAMINED = 5_000
"""Number of runs or calls of a short time range that a statement without an index examines."""
_NEAR_US = 2 * MINUTE_US


@dataclass(slots=True)
class CauseChain:
    """Causes of something, the nearest first.

    Attributes:
        causes: The steps.
        missing: The reason why the chain breaks off; empty if it reaches its first cause.
    """

    causes: list[Cause] = field(default_factory=list[Cause])
    missing: str = ""

    def end_unknown(self, missing: str) -> "CauseChain":
        """End the chain with an unknown cause."""
        self.missing = missing
        self.causes.append(Cause(kind="unknown", title="unknown", text="something that is not recorded"))
        return self


def call_of(row: Row) -> CallMade:
    """Convert a row of a service call."""
    return CallMade(
        at_us=row["at_us"],
        service=row["service"] or "?",
        target=row["target"],
        data=row["data"],
        error=row["error"],
        rehearsed=bool(row["rehearsed"]),
    )


def event_time_of(run: Run) -> int:
    """Return when the event of a run arrived. If the handler has a debounce or a duration, it may be earlier."""
    return run.started_us - run.waited_us


async def change_of_run(names: HomeNames, run: Run) -> StateChange | None:
    """Return the state change that triggered a run, or None if something else triggered it."""
    trigger = run.trigger
    if not isinstance(trigger, EventTrigger) or not trigger.entity_id or trigger.event_type != "state_changed":
        return None
    return StateChange(
        at_us=event_time_of(run),
        entity=await names.entity(trigger.entity_id),
        old_state=trigger.old_state,
        new_state=trigger.new_state,
        context_id=trigger.context_id,
        parent_id=trigger.parent_id,
    )


class Causes:
    """Finds the causes within one read transaction.

    Args:
        transaction: Read transaction of the question.
        names: HomeNames of entities and users.
    """

    def __init__(self, transaction: ReadTransaction, names: HomeNames) -> None:
        self._transaction = transaction
        self._names = names

    async def of_change(self, change: StateChange, user_id: str | None, *, missed: bool = False) -> CauseChain:
        """Return the causes of a state change.

        Args:
            change: The change.
            user_id: Id of the user in its context; None if there is none.
            missed: Whether the change happened while Home Assistant was not connected.
        """
        chain = CauseChain()
        await self._follow(chain, change, user_id, missed, set())
        return chain

    async def of_run(self, run: Run, call: CallMade | None = None) -> CauseChain:
        """Return the causes of a call or a log line of a run: the run, and what led to it."""
        chain = CauseChain()
        await self._follow_run(chain, run, call, set())
        return chain

    async def _follow(
        self, chain: CauseChain, change: StateChange, user_id: str | None, missed: bool, seen: set[str]
    ) -> None:
        context = change.context_id
        if missed:
            chain.end_unknown("it happened while Home Assistant was not connected, so its cause is not recorded.")
            return
        if context is None:
            chain.end_unknown("its event had no context.")
            return
        if context in seen or len(chain.causes) >= MAX_STEPS:
            chain.end_unknown("the chain of causes is longer than the steps that are followed.")
            return
        seen.add(context)
        if (row := await self._transaction.one(queries.OWN_CALL, {"context_id": context})) is not None:
            await self._follow_call(chain, row, seen)
        elif user_id is not None:
            await self._end_with_person(chain, change, user_id)
        elif change.parent_id is not None:
            await self._follow_parent(chain, change, seen)
        else:
            await self._end_with_device(chain, change)

    async def _follow_call(self, chain: CauseChain, row: Row, seen: set[str]) -> None:
        run = await self._transaction.one(RUN, {"id": row["run_id"]})
        if run is None:
            chain.end_unknown("the run of the app that made the call has been deleted because of its age.")
            return
        await self._follow_run(chain, run_of(run), call_of(row), seen)

    async def _follow_run(self, chain: CauseChain, run: Run, call: CallMade | None, seen: set[str]) -> None:
        trigger = run.trigger
        if isinstance(trigger, DueTrigger):
            listens = await self._transaction.one(REGISTRATION, {"registration_id": run.registration.id})
            schedule = listens["listens_to"] if listens is not None else ""
            chain.causes.append(
                Cause(
                    kind="app" if trigger.manual else "scheduled",
                    title=run.registration.title,
                    text=job_clause(run.registration.title, trigger, schedule),
                    at_us=run.started_us,
                    run=run,
                    call=call,
                    detail=schedule,
                )
            )
            if trigger.manual:
                chain.end_unknown("who started the job by hand is not recorded.")
            return
        change = await change_of_run(self._names, run)
        chain.causes.append(
            Cause(
                kind="app",
                title=run.registration.title,
                text=app_clause(run.registration.title, change, trigger.event_type),
                at_us=run.started_us,
                change=change,
                run=run,
                call=call,
            )
        )
        if trigger.immediate:
            # The listener ran at its registration, without an event. The app itself is the first cause.
            return
        if change is not None:
            await self._follow(chain, change, trigger.user_id, trigger.missed, seen)
        elif trigger.user_id is not None:
            await self._end_with_person(chain, None, trigger.user_id)
        elif trigger.event_type.startswith("hassette_"):
            # The framework itself sent the event, for example because the connection was restored.
            return
        else:
            chain.end_unknown(f"what sent the event {trigger.event_type} is not recorded.")

    async def _end_with_person(self, chain: CauseChain, change: StateChange | None, user_id: str) -> None:
        name = await self._names.user(user_id)
        title = name or f"the user {user_id[:8]}…"
        chain.causes.append(
            Cause(kind="person", title=title, text=f"{title} did it", at_us=change.at_us if change else None)
        )

    async def _follow_parent(self, chain: CauseChain, change: StateChange, seen: set[str]) -> None:
        parent = change.parent_id
        row = await self._transaction.one(queries.OWN_CALL, {"context_id": parent})
        if row is not None and parent is not None and parent not in seen:
            seen.add(parent)
            chain.causes.append(
                Cause(
                    kind="unknown",
                    title="unknown",
                    text="something in Home Assistant that is not recorded, such as a group or a script, acted on it",
                )
            )
            await self._follow_call(chain, row, seen)
            return
        chain.end_unknown(
            "an automation, a script or another program in Home Assistant did it; which one is not recorded."
        )

    async def _end_with_device(self, chain: CauseChain, change: StateChange) -> None:
        missing = await self._not_recorded(change)
        if missing:
            chain.end_unknown(missing)
            return
        chain.causes.append(
            Cause(
                kind="device",
                title=change.entity.title,
                text=f"{change_clause(change)} by itself",
                at_us=change.at_us,
                change=change,
            )
        )

    async def _not_recorded(self, change: StateChange) -> str:
        """Return why the cause of a change without a user and a parent may be missing; empty if it cannot be."""
        at_us = change.at_us
        session = await self._transaction.one(queries.SESSION_AT, {"at_us": at_us})
        if session is None:
            return "Hassette was not running at that time."
        within = {
            "session_id": session["id"],
            "first_id": first_id_at(session["started_us"]),
            "end_id": first_id_at(at_us + SECOND_US),
        }
        link = await self._transaction.one(queries.CONNECTION_AT, dict(within))
        if link is not None and link["kind"] == "connection_lost":
            return "Home Assistant was not connected at that time, so its cause is not recorded."
        lost = await self._transaction.one(
            queries.LOST_IN, {"since_us": at_us - _NEAR_US, "until_us": at_us + _NEAR_US}
        )
        if lost is not None and lost["count"]:
            return "records of that time were lost, so its cause may be among them."
        return ""
