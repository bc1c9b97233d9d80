"""Find the chain of cause and effect that a run belongs to.

A service call has a Home Assistant context. The events that it causes have the same context, or a descendant of it:
each automation in between has its own context. So the function follows the contexts from a run back to the first
run, and from there to all effects.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from sqlite3 import Row

from hassette_store.ids import first_id_at, time_of
from hassette_sync.answers.kinds import EventTrigger, Trigger
from hassette_sync.answers.runs import LogLine, Run, ServiceCall, StateRead
from hassette_sync.errors import NotFoundError
from hassette_sync.queries import waterfall as queries
from hassette_sync.queries.runs import RUN
from hassette_sync.questions.rows import log_line_of, run_of, service_call_of, state_read_of
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import MINUTE_US

MAX_STEPS = 24
"""Maximum number of steps back to the first cause, and of steps from there to the last effect."""
MAX_AUTOMATIONS = 10
"""Maximum number of automations of Home Assistant that are followed between two runs."""
MAX_RUNS = 60
MAX_RUNS_OF_EVENT = 20
# A chain of few runs shows more of each.
_MANY_RUNS = 5
_MANY_LINES, _FEW_LINES = 50, 8
_MAX_FOUND = 200
# An automation may begin some time after the call, for example if a state must last. This much of the history, and this
# many causes, are searched for automations.
_LATEST_AUTOMATION_US = 10 * MINUTE_US
_EXAMINED = 2_000


@dataclass(slots=True)
class ChainedEvent:
    """An event, and the runs that it triggered."""

    trigger: Trigger
    at_us: int
    runs: list["ChainedRun"] = field(default_factory=list["ChainedRun"])


@dataclass(slots=True)
class ChainedCall:
    """A service call, the events that it caused, and the number of runs that the limits leave out."""

    call: ServiceCall
    events: list[ChainedEvent] = field(default_factory=list[ChainedEvent])
    more_runs: int = 0

    @property
    def run_count(self) -> int:
        """Number of the runs that the call triggered, without those that the limits leave out."""
        return sum(len(event.runs) for event in self.events)


@dataclass(slots=True)
class ChainedRun:
    """A run, and what it did."""

    run: Run
    calls: list[ChainedCall] = field(default_factory=list[ChainedCall])
    logs: list[LogLine] = field(default_factory=list[LogLine])
    reads: list[StateRead] = field(default_factory=list[StateRead])
    more_calls: int = 0
    more_logs: int = 0
    more_reads: int = 0


@dataclass(slots=True)
class Chain:
    """The chain of a run.

    Attributes:
        asked: The run that was asked for.
        path: The runs from the first run of the chain to ``asked``.
        lineages: For the id of each of these runs, the contexts of its event and their ancestors.
        event: The first event of the chain, or the due time of a job.
        more_runs: Number of runs of the first event that the limits leave out.
        earlier: Whether there are earlier runs than the first one, which the limits leave out.
    """

    asked: Run
    path: list[Run]
    lineages: dict[int, tuple[str, ...]]
    event: ChainedEvent
    more_runs: int = 0
    earlier: bool = False


async def chain_of(transaction: ReadTransaction, run_id: int) -> Chain:
    """Return the chain of a run: the same chain for each of its runs, except beyond the limits.

    Raises:
        NotFoundError: The history has no run with this id.
    """
    asked = await _run(transaction, run_id)
    if asked is None:
        raise NotFoundError("run", run_id)
    path, lineages, earlier = await _path_to(transaction, asked)
    chain = Chain(asked, path, lineages, _event_of(path[0]), earlier=earlier)
    await _grow(transaction, chain)
    return chain


async def _run(transaction: ReadTransaction, run_id: int) -> Run | None:
    row = await transaction.one(RUN, {"id": run_id})
    return run_of(row) if row is not None else None


async def _path_to(transaction: ReadTransaction, run: Run) -> tuple[list[Run], dict[int, tuple[str, ...]], bool]:
    """Return the runs from the first cause to a run, their contexts, and whether there are causes before it."""
    path = [run]
    lineages = {run.id: await _lineage(transaction, run)}
    while (caller := await _caller_of(transaction, path, lineages[path[0].id])) is not None:
        if len(path) > MAX_STEPS:
            return path, lineages, True
        path.insert(0, caller)
        lineages[caller.id] = await _lineage(transaction, caller)
    return path, lineages, False


async def _lineage(transaction: ReadTransaction, run: Run) -> tuple[str, ...]:
    """Return the contexts that lead to a run: that of its event, and its ancestors, the nearest first."""
    lineage = dict.fromkeys(_causing_contexts(run.trigger))
    newest = list(lineage)[1:]  # a context without a parent has no ancestors
    for _ in range(MAX_AUTOMATIONS):
        if not newest:
            break
        rows = await transaction.all(queries.PARENTS, {"contexts": json.dumps(newest), "limit": _MAX_FOUND})
        newest = [row["parent_id"] for row in rows if row["parent_id"] not in lineage]
        lineage |= dict.fromkeys(newest)
    return tuple(lineage)


async def _caller_of(transaction: ReadTransaction, path: list[Run], contexts: tuple[str, ...]) -> Run | None:
    """Return the run whose service call led to the first run of a path."""
    if not contexts:
        return None
    rows = await transaction.all(queries.CALLERS, {"contexts": json.dumps(contexts), "limit": _MAX_FOUND})
    known = {run.id for run in path}
    for context in contexts:
        for row in rows:
            if (
                row["context_id"] == context
                and row["run_id"] not in known
                and (caller := await _run(transaction, row["run_id"])) is not None
            ):
                return caller
    return None


def _causing_contexts(trigger: Trigger) -> tuple[str, ...]:
    # At the start of an app, a handler can run with the present state. The context of this state belongs to its last
    # change, which may be days old and is not the cause of the run.
    return () if isinstance(trigger, EventTrigger) and trigger.immediate else trigger.contexts


def _event_of(run: Run) -> ChainedEvent:
    return ChainedEvent(run.trigger, run.started_us - run.waited_us)


async def _grow(transaction: ReadTransaction, chain: Chain) -> None:
    """Add the runs of the first event, and the effects of all runs, one step of cause and effect after the other."""
    first = chain.path[0]
    on_path = {run.id for run in chain.path}
    placed = {first.id}
    siblings = await _siblings(transaction, first)
    shown = siblings[: MAX_RUNS_OF_EVENT - 1]
    chain.more_runs = len(siblings) - len(shown)
    runs = [ChainedRun(run) for run in sorted([first, *shown], key=lambda run: (run.started_us, run.id))]
    placed.update(node.run.id for node in runs)
    chain.event.runs = runs
    chain.event.at_us = min(run.run.started_us - run.run.waited_us for run in runs)
    every = list(runs)
    level: list[ChainedRun] = runs
    for step in range(MAX_STEPS + 1):
        await _add_calls(transaction, level)
        calls = {call.call.context_id: call for node in level for call in node.calls if call.call.context_id}
        await _add_changes(transaction, calls)
        calls |= await _descendants(transaction, calls)
        found = await _caused(transaction, calls)
        found += [run for run in chain.path[step + 1 : step + 2] if run.id not in {one.id for one in found}]
        placing: list[ChainedRun] = []
        for run in sorted(found, key=lambda run: (run.id not in on_path, run.id)):
            contexts = chain.lineages.get(run.id) or _causing_contexts(run.trigger)
            call = next((calls[context] for context in contexts if context in calls), None)
            if call is None or run.id in placed:
                continue
            placed.add(run.id)
            if run.id not in on_path and (
                len(placed) > MAX_RUNS or call.run_count >= MAX_RUNS_OF_EVENT or step == MAX_STEPS
            ):
                call.more_runs += 1
                continue
            placing.append(_place(call, run))
        level = placing
        if not level:
            break
        every += level
    await _add_logs_and_reads(transaction, every)


async def _descendants(transaction: ReadTransaction, calls: Mapping[str, ChainedCall]) -> dict[str, ChainedCall]:
    """Return the contexts of the automations that calls led to, directly or through other automations."""
    found: dict[str, ChainedCall] = {}
    newest = dict(calls)
    for _ in range(MAX_AUTOMATIONS):
        if not newest:
            break
        times = [call.call.at_us for call in newest.values()]
        parameters: Parameters = {
            "contexts": json.dumps(list(newest)),
            "first_id": first_id_at(min(times)),
            "end_id": first_id_at(max(times) + _LATEST_AUTOMATION_US),
            "examined": _EXAMINED,
            "limit": _MAX_FOUND,
        }
        rows = await transaction.all(queries.AUTOMATIONS_AFTER, parameters)
        newest = {row["context_id"]: newest[row["parent_id"]] for row in rows if row["context_id"] not in found}
        found |= newest
    return found


async def _add_changes(transaction: ReadTransaction, calls: Mapping[str, ChainedCall]) -> None:
    """Add the recorded changes that calls caused. Runs that a change triggered are added to it later."""
    if not calls:
        return
    rows = await transaction.all(queries.CHANGES, {"contexts": json.dumps(list(calls)), "limit": _MAX_FOUND})
    for row in rows:
        call = calls[row["context_id"]]
        if len(call.events) < MAX_RUNS_OF_EVENT:
            trigger = EventTrigger(
                event_type="state_changed",
                entity_id=row["entity_id"],
                old_state=row["old_state"],
                new_state=row["new_state"],
                context_id=row["context_id"],
                parent_id=row["parent_id"],
            )
            call.events.append(ChainedEvent(trigger, max(time_of(row["id"]), call.call.at_us)))


def _place(call: ChainedCall, run: Run) -> ChainedRun:
    node = ChainedRun(run)
    event = next((event for event in call.events if event.trigger.is_same_event(run.trigger)), None)
    if event is None:
        event = _event_of(run)
        call.events.append(event)
    event.at_us = max(call.call.at_us, min(event.at_us, run.started_us - run.waited_us))
    event.runs.append(node)
    event.runs.sort(key=lambda node: (node.run.started_us, node.run.id))
    call.events.sort(key=lambda event: event.at_us)
    return node


async def _siblings(transaction: ReadTransaction, first: Run) -> list[Run]:
    """Return the other runs of the event of a run."""
    if first.trigger.own_context is None or not _causing_contexts(first.trigger):
        return []
    contexts = json.dumps([first.trigger.own_context])
    rows = await transaction.all(queries.CAUSED, {"contexts": contexts, "limit": _MAX_FOUND})
    return [
        run for run in map(run_of, rows)
        if run.id != first.id and run.trigger.is_same_event(first.trigger) and _causing_contexts(run.trigger)
    ]  # fmt: skip


async def _caused(transaction: ReadTransaction, contexts: Iterable[str]) -> list[Run]:
    listed = list(contexts)
    if not listed:
        return []
    rows = await transaction.all(queries.CAUSED, {"contexts": json.dumps(listed), "limit": _MAX_FOUND})
    return [run_of(row) for row in rows]


async def _add_calls(transaction: ReadTransaction, nodes: list[ChainedRun]) -> None:
    for run_id, rows in (await _rows_by_run(transaction, queries.SERVICE_CALLS, nodes, _MANY_LINES)).items():
        node = next(node for node in nodes if node.run.id == run_id)
        node.calls = [
            ChainedCall(service_call_of(row)) for row in sorted(rows, key=lambda row: (row["at_us"], row["position"]))
        ]


async def _add_logs_and_reads(transaction: ReadTransaction, nodes: list[ChainedRun]) -> None:
    """Add log lines and reads, and count the lines, calls and reads that the limits leave out."""
    limit = _MANY_LINES if len(nodes) <= _MANY_RUNS else _FEW_LINES
    logs = await _rows_by_run(transaction, queries.LOG_LINES, nodes, limit)
    reads = await _rows_by_run(transaction, queries.STATE_READS, nodes, limit)
    ids = json.dumps([node.run.id for node in nodes])
    counts = {row["run_id"]: row for row in await transaction.all(queries.COUNTS, {"ids": ids})}
    for node in nodes:
        node.logs = [log_line_of(row) for row in sorted(logs[node.run.id], key=lambda row: row["position"])]
        node.reads = [state_read_of(row) for row in sorted(reads[node.run.id], key=lambda row: row["position"])]
        node.more_logs = counts[node.run.id]["log_lines"] - len(node.logs)
        node.more_calls = counts[node.run.id]["service_calls"] - len(node.calls)
        node.more_reads = counts[node.run.id]["state_reads"] - len(node.reads)


async def _rows_by_run(
    transaction: ReadTransaction, statement: str, nodes: list[ChainedRun], limit: int
) -> defaultdict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    ids = json.dumps([node.run.id for node in nodes])
    for row in await transaction.all(statement, {"ids": ids, "limit": limit}):
        found[row["run_id"]].append(row)
    return found
