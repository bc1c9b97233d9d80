"""Follow a change back to its first cause, from one context of Home Assistant to the next."""

from collections.abc import Sequence
from sqlite3 import Row

from hassette_store.ids import time_of
from hassette_sync.answers.explanations import CallMade, Cause, StateChange
from hassette_sync.answers.kinds import DueTrigger
from hassette_sync.answers.runs import Run
from hassette_sync.formatting import plural
from hassette_sync.queries import causes as queries
from hassette_sync.queries.runs import RUN
from hassette_sync.queries.why_not import REGISTRATION_BY_ID
from hassette_sync.questions.actors import (
    SENT,
    ActingPart,
    actors_of,
    after_moment,
    moment_of_change,
    moment_of_event,
    possible_causes,
)
from hassette_sync.questions.authors import requester_of
from hassette_sync.questions.calls import call_by_home, call_of, call_of_context, is_by_app
from hassette_sync.questions.cause_chain import CauseChain, trace_link
from hassette_sync.questions.changes import change_of_row, change_of_run, event_time_of
from hassette_sync.questions.device_reports import (
    began_before,
    beginning_of,
    ended_state,
    pending_call,
    recording_of,
)
from hassette_sync.questions.entities import HomeNames
from hassette_sync.questions.other_causes import contradiction_of
from hassette_sync.questions.rows import facts_of, run_of
from hassette_sync.questions.script_ends import is_end_of_script, stopping_call, was_started_again
from hassette_sync.questions.source_entities import change_followed
from hassette_sync.questions.timer_events import change_of_timer, timer_in
from hassette_sync.questions.trigger_changes import triggering_change
from hassette_sync.questions.wording import app_clause, change_clause, job_clause, shortened
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import SECOND_US


class Causes:
    """Finds the causes within one read transaction.

    Args:
        transaction: Read transaction of the question.
        names: Names of entities and users.
    """

    def __init__(self, transaction: ReadTransaction, names: HomeNames) -> None:
        self._transaction = transaction
        self._names = names

    async def of_change(self, change: StateChange, user_id: str | None, *, missed: bool = False) -> CauseChain:
        """Return the causes of a state change.

        Args:
            change: The change.
            user_id: Id of the user in its context; None if there is none.
            missed: Whether the change happened while Hassette was not connected to Home Assistant.
        """
        chain = CauseChain()
        await self._follow(chain, change, user_id, missed)
        return chain

    async def of_run(self, run: Run, call: CallMade | None = None) -> CauseChain:
        """Return the causes of a call or a log line of a run: the run, and what led to it."""
        chain = CauseChain()
        await self._follow_run(chain, run, call)
        return chain

    async def of_call(self, call: CallMade, row: Row) -> CauseChain:
        """Return the causes of a service call that no app made, from its row."""
        chain = CauseChain()
        await self._follow_call_by_home(chain, call, row)
        return chain

    async def _follow(self, chain: CauseChain, change: StateChange, user_id: str | None, missed: bool) -> None:
        if missed:
            chain.end_unknown(
                "the change happened while Hassette was not connected to Home Assistant, so its cause is not recorded."
            )
            return
        chain.changes.append(change)
        if is_end_of_script(change) and await self._follow_end_of_script(chain, change):
            return
        moment = await moment_of_change(self._transaction, change)
        await self._follow_context(chain, change.context_id, change.parent_id, user_id, change, moment)

    async def _follow_end_of_script(self, chain: CauseChain, change: StateChange) -> bool:
        """Add the causes of the end of a script. Return False if its context shows them."""
        row = await stopping_call(self._transaction, change)
        if row is not None and is_by_app(row):
            await self._follow_call(chain, row)
        elif row is not None:
            await self._follow_call_by_home(chain, call_by_home(row), row)
        elif await was_started_again(self._transaction, change):
            chain.end_unknown(
                "the script was started again while it ran, and Home Assistant does not report which of its runs ended."
            )
        else:
            return False
        return True

    async def _follow_call_by_home(self, chain: CauseChain, call: CallMade, row: Row) -> None:
        first, context, parent = len(chain.causes), row["context_id"], row["parent_id"]
        before_id = row["id"] if time_of(row["id"]) == call.at_us else after_moment(call.at_us)
        await self._follow_context(chain, context, parent, row["user_id"], None, before_id)
        if chain.causes[first:] and chain.causes[first].call is None and chain.causes[first].kind != "unknown":
            chain.causes[first] = chain.causes[first].model_copy(update={"call": call})

    async def _follow_context(
        self,
        chain: CauseChain,
        context: str | None,
        parent: str | None,
        user_id: str | None,
        change: StateChange | None,
        before_id: int,
    ) -> None:
        """Add the causes behind a context: an app's call, automations and scripts, a person, a parent, the device.

        ``before_id`` is the id of the explained record, or the first id after it.
        """
        if context is None:
            chain.end_unknown("its event had no context.")
            return
        if context in chain.contexts or chain.is_full:
            chain.end_too_long()
            return
        chain.contexts.add(context)
        rows = await self._transaction.all(queries.CAUSES_OF_CONTEXT, {"context_id": context, "before_id": before_id})
        actors = await actors_of(self._transaction, rows, change, before_id)
        rows = possible_causes(rows, before_id)
        call = call_of_context(rows, change)
        own = await self._transaction.one(queries.OWN_CALL, {"context_id": context})
        made = call_of(own) if own is not None and (call is None or not actors) else call
        contradiction = await contradiction_of(self._transaction, made, change, before_id)
        if contradiction:
            chain.end_unknown(contradiction)
            return
        ran = [actor.row for actor in actors]
        for actor in actors:
            chain.causes.append(await self._cause_by_home(actor, call))
            call = None
        if own is not None:
            await self._follow_call(chain, own)
            return
        if caller := next((row["detail"] for row in rows if row["kind"] in SENT and row["detail"]), ""):
            self._end_with_app(chain, caller, call)
            return
        # A cause may know the user or the parent of a context that the change does not have.
        user_id = user_id or next((row["user_id"] for row in rows if row["user_id"]), None)
        parent = parent or next((row["parent_id"] for row in rows if row["parent_id"]), None)
        if user_id is not None:
            await self._end_with_person(chain, change, user_id, call, rows)
        elif parent is not None:
            await self._follow_parent(chain, parent, ran[-1] if ran else None, change)
        elif ran:
            return  # started by time or by Home Assistant itself: the automation is the first cause
        elif call is not None:
            chain.end_unknown(f"a part of Home Assistant without a user called {call.service}.")
        elif change is not None:
            await self._end_with_device(chain, change)
        else:
            await self._follow_event(chain, *timer_in(rows) or ("", None), time_of(before_id))

    async def _follow_event(self, chain: CauseChain, event_type: str, entity_id: str | None, at_us: int) -> None:
        """Add the causes behind an event without a user and a parent: those of the timer that it reports."""
        row = await change_of_timer(self._transaction, event_type, entity_id, at_us)
        if row is None:
            chain.end_unknown("the sender of the event that began it is not recorded.")
            return
        change = await change_of_row(self._names, row)
        chain.causes[-1] = chain.causes[-1].model_copy(update={"change": change})
        await self._follow(chain, change, row["user_id"], False)

    async def _cause_by_home(self, actor: ActingPart, call: CallMade | None) -> Cause:
        row = actor.row
        entity = await self._names.entity(row["entity_id"] or "?")
        kind = "script" if row["kind"] == "script" else "automation"
        detail = row["detail"] or ""
        shown = f" ({shortened(detail)})" if detail and kind == "automation" else ""
        if actor.parallel:
            others = [shortened((await self._names.entity(one)).title) for one in actor.parallel]
            shown += f" and started {', '.join(others)}, which may have caused it"
        return Cause(
            kind=kind,
            title=entity.title,
            text=f"the {kind} {shortened(entity.title)} ran{shown}",
            at_us=time_of(row["id"]),
            call=call,
            entity=entity,
            detail=detail,
            link=trace_link(kind, row["item_id"], row["trace_id"]),
        )

    async def _follow_call(self, chain: CauseChain, row: Row) -> None:
        run = await self._transaction.one(RUN, {"id": row["run_id"]})
        if run is None:
            chain.end_unknown("the run of the app that made the call has been deleted because of its age.")
            return
        await self._follow_run(chain, run_of(run), call_of(row))

    async def _follow_run(self, chain: CauseChain, run: Run, call: CallMade | None) -> None:
        if chain.is_full:
            chain.end_too_long()
            return
        trigger = run.trigger
        if isinstance(trigger, DueTrigger):
            listens = await self._transaction.one(REGISTRATION_BY_ID, {"registration_id": run.registration.id})
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
                await self._end_with_requester(chain, run)
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
            await self._follow(chain, change, trigger.user_id, trigger.missed)
        elif trigger.event_type.startswith("hassette_"):
            return  # the framework itself sent the event, for example because the connection was restored
        elif emitted := await self._emission(trigger.parent_id):
            await self._follow_call(chain, emitted)
        elif trigger.event_type.startswith("timer.") and not (trigger.user_id or trigger.parent_id):
            await self._follow_event(chain, trigger.event_type, trigger.entity_id, event_time_of(run))
        elif trigger.context_id:
            context, parent = trigger.context_id, trigger.parent_id
            await self._follow_context(chain, context, parent, trigger.user_id, None, moment_of_event(run))
        else:
            chain.end_unknown(f"the sender of the event {shortened(trigger.event_type)} is not recorded.")

    async def _emission(self, parent: str | None) -> Row | None:
        """Return the call of an app that emitted an event for other apps; None if the event has another origin."""
        row = await self._transaction.one(queries.OWN_CALL, {"context_id": parent})
        return row if row is not None and row["service"] == "bus.emit" else None

    async def _end_with_person(
        self,
        chain: CauseChain,
        change: StateChange | None,
        user_id: str,
        call: CallMade | None,
        rows: Sequence[Row],
    ) -> None:
        name = await self._names.user(user_id)
        title = name or f"the user {user_id[:8]}…"
        at_us = call.at_us if call is not None else change.at_us if change is not None else None
        if not rows and await self._is_own_user(user_id, at_us):
            chain.end_unknown(
                f"it came through the access token of Hassette (user {title}), but no call of an app is recorded. A "
                "run in progress, a lost or deleted record, or another program with the same user can be the cause."
            )
            return
        # A scene, a group or a script makes further calls with the context of the first one.
        sent = min((row for row in rows if row["kind"] in SENT), key=lambda row: row["id"], default=None)
        text = f"{title} did it"
        if sent is not None:
            what = shortened(sent["service"] or "?")
            text = f"{title} called {what}" if sent["kind"] == "service_call" else f"{title} sent the event {what}"
        chain.causes.append(Cause(kind="person", title=title, text=text, at_us=at_us, call=call))

    def _end_with_app(self, chain: CauseChain, caller: str, call: CallMade | None) -> None:
        """End with code of an app outside the runs of its handlers and jobs, or with Hassette itself."""
        title = caller.removesuffix(".default")
        who = title if title == "Hassette" else f"your app {shortened(title)}"
        what = "caused it" if call is None else f"called {call.service}"
        text = f"{who} {what} outside the runs of its handlers and jobs"
        chain.causes.append(Cause(kind="app", title=title, text=text, at_us=call and call.at_us, call=call))

    async def _is_own_user(self, user_id: str, at_us: int | None) -> bool:
        session = await self._transaction.one(queries.SESSION_AT, {"at_us": at_us or self._transaction.at_us})
        return session is not None and facts_of(session["facts"]).get("user") == user_id

    async def _end_with_requester(self, chain: CauseChain, run: Run) -> None:
        requester = await requester_of(self._transaction, run)
        if requester is None:
            chain.end_unknown("an app started the job with run_now, or the request is not recorded.")
            return
        text = f"{shortened(requester)} started it by hand"
        chain.causes.append(Cause(kind="person", title=requester, text=text, at_us=run.started_us))

    async def _follow_parent(self, chain: CauseChain, parent: str, ran: Row | None, change: StateChange | None) -> None:
        """Add the causes behind the context of the event that triggered an automation, or another unknown part."""
        trigger = await triggering_change(self._transaction, self._names, parent, ran, chain.changes)
        known = (
            trigger is not None
            or await self._transaction.one(queries.OWN_CALL, {"context_id": parent}) is not None
            or await self._transaction.one(queries.HAS_CAUSES, {"context_id": parent}) is not None
        )
        if ran is not None and not known:
            detail = f" ({shortened(ran['detail'])})" if ran["detail"] else ""
            chain.missing = f"The event that triggered it{detail} is not recorded."
            return
        if not known:
            chain.end_unknown(
                "an automation, a script or another program in Home Assistant caused it, or an app whose run is not "
                "recorded."
            )
            return
        if ran is None:
            text = "a part of Home Assistant that is not recorded, such as a group or a script, acted on it"
            chain.causes.append(Cause(kind="unknown", title="unknown", text=text))
        elif trigger is not None:
            chain.causes[-1] = chain.causes[-1].model_copy(update={"change": trigger[0]})
        if trigger is not None:
            await self._follow(chain, trigger[0], trigger[1], trigger[2])
        else:
            began_us = time_of(ran["id"]) if ran is not None else change.at_us if change is not None else None
            before_id = after_moment(began_us or self._transaction.at_us)
            await self._follow_context(chain, parent, None, None, None, before_id)

    async def _end_with_device(self, chain: CauseChain, change: StateChange) -> None:
        since_us, missing = await recording_of(self._transaction, change)
        if missing:
            chain.end_unknown(missing)
            return
        if (state := await ended_state(self._transaction, change)) is not None:
            await self._follow_beginning(chain, change, state, since_us)
            return
        if followed := await self._names.followed_by(change.entity.entity_id):
            source, missing = await change_followed(self._transaction, followed, chain.changes)
            if source is not None:
                await self._follow(chain, await change_of_row(self._names, source), source["user_id"], False)
                return
            if missing:
                chain.end_unknown(missing)
                return
        if (pending := await pending_call(self._transaction, change)) is not None:
            call, target = pending
            seconds = max((change.at_us - call.at_us) // SECOND_US, 1)
            chain.end_unknown(
                f"{call.service} was called for {shortened(target)} {plural(seconds, 'second')} earlier. The device "
                "may have reacted late, or it may have changed by itself."
            )
            return
        if await began_before(self._transaction, change, since_us):
            chain.end_unknown(
                "the context of the change is older than the connection to Home Assistant, so the cause of the change "
                "is not recorded."
            )
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

    async def _follow_beginning(self, chain: CauseChain, change: StateChange, state: str, since_us: int) -> None:
        """Add the causes of the change that began what a change ends."""
        begun = await beginning_of(self._transaction, change, state, since_us)
        if begun is None:
            chain.end_unknown(
                f"it was {state} before, but when that began is not recorded, or changes in between are missing."
            )
            return
        await self._follow(chain, await change_of_row(self._names, begun), begun["user_id"], False)
