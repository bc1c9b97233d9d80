"""The question about a run in time: what led to it, what it did, and what followed."""

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from hassette_store.statuses import FAILED_STATUSES
from hassette_sync.answers.explanations import Cause, CauseKind, Entity
from hassette_sync.answers.kinds import DueTrigger, EventTrigger, Trigger
from hassette_sync.answers.runs import Run
from hassette_sync.answers.waterfall import SimilarRuns, Waterfall, WaterfallRow
from hassette_sync.formatting import duration, plural
from hassette_sync.home_time import ShownTimes
from hassette_sync.questions.causes import Causes
from hassette_sync.questions.chains import Chain, ChainedCall, ChainedEvent, ChainedRun, chain_of
from hassette_sync.questions.entities import HomeNames
from hassette_sync.questions.registrations import registration_detail
from hassette_sync.questions.sessions import home_time
from hassette_sync.questions.targets import entities_of, others_of
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import DAY_US, SECOND_US, TimeRange

_MIN_SIMILAR = 10
_MAX_TEXT = 160
_MAX_ENTITIES = 60
_MAX_READS_IN_TITLE = 3
_SIMILAR_FOR_US = 7 * DAY_US


async def waterfall(transaction: ReadTransaction, run_id: int) -> Waterfall:
    """Return a run with its causes and effects on one time axis, from the first cause to the last effect.

    Raises:
        NotFoundError: The history has no run with this id.
    """
    chain = await chain_of(transaction, run_id)
    moment = ShownTimes(await home_time(transaction), transaction.at_us)
    names = HomeNames(transaction)
    words = _Words(moment, {entity: await names.entity(entity) for entity in _entities_of(chain)})
    causes, kind_of_event = await _first_causes(transaction, names, chain)
    rows = tuple(_rows_of_chain(chain, words, causes, kind_of_event))
    return Waterfall(
        run_id=chain.asked.id,
        first_run_id=chain.path[0].id,
        sentence=_sentence(chain, words, causes),
        since_us=min(row.at_us for row in rows),
        until_us=max(row.until_us for row in rows),
        rows=rows,
        earlier=chain.earlier,
        similar=await _similar(transaction, chain.asked),
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """Texts for times and entities.

    Attributes:
        moment: Formats times.
        entities: The entities of the chain, by id.
    """

    moment: ShownTimes
    entities: Mapping[str, Entity]

    def title(self, entity_id: str) -> str:
        """Return the name of an entity."""
        return self.entities[entity_id].title if entity_id in self.entities else entity_id

    def place(self, entity_id: str | None) -> str:
        """Return the area of an entity; empty if it is not known."""
        return self.entities[entity_id].area if entity_id is not None and entity_id in self.entities else ""


def _entities_of(chain: Chain) -> tuple[str, ...]:
    """Return the entities of all events and calls, without repeats."""
    found: dict[str, None] = {}
    waiting = [chain.event]
    while waiting:
        event = waiting.pop()
        if event.trigger.subject:
            found[event.trigger.subject] = None
        for node in event.runs:
            found |= {read.entity_id: None for read in node.reads if not read.is_domain}
            for call in node.calls:
                found |= dict.fromkeys(entities_of(call.call.target))
                waiting += call.events
    return tuple(found)[:_MAX_ENTITIES]


async def _first_causes(
    transaction: ReadTransaction, names: HomeNames, chain: Chain
) -> tuple[tuple[Cause, ...], CauseKind]:
    """Return the causes of the first event, the first cause first, and the kind of the event if there are none.

    A device that changed by itself is not listed: its change is the first event. Code of an app outside runs is not
    listed either. If nothing is known about the cause of an event without a parent, the tuple is empty, too.
    """
    first = chain.path[0]
    if chain.earlier or not isinstance(first.trigger, EventTrigger) or first.trigger.immediate:
        return (), _cause(chain.event.trigger)
    found = await Causes(transaction, names).of_run(first)
    # The first of these causes is the run itself.
    causes = tuple(
        cause
        for cause in reversed(found.causes[1:])
        if cause.kind != "device" and (cause.kind != "app" or cause.run is not None)
    )
    if len(causes) == 1 and causes[0].kind == "unknown" and not first.trigger.parent_id:
        return (), "unknown"
    return causes, _cause(chain.event.trigger)


def _rows_of_chain(
    chain: Chain, words: _Words, causes: tuple[Cause, ...], kind_of_event: CauseKind
) -> Iterator[WaterfallRow]:
    at_us = chain.event.at_us
    if chain.earlier:
        yield WaterfallRow(kind="origin", depth=0, title="Earlier runs that led to this one", at_us=at_us, cause="app")
    for depth, cause in enumerate(causes):
        if (run := cause.run) is not None:
            # A timer, or the end of a script, connects this run with the first one of the chain, and no context.
            yield WaterfallRow(
                kind="run", depth=depth, title=run.registration.title, at_us=min(run.started_us, at_us),
                duration_us=run.duration_us, run=run, detail=_failure_of(run),
            )  # fmt: skip
            continue
        yield WaterfallRow(
            kind="origin", depth=depth, title=_origin(cause), detail=cause.detail, cause=cause.kind,
            at_us=min(cause.at_us or at_us, at_us), trace_path=cause.link or None,
        )  # fmt: skip
    depth = int(chain.earlier) + len(causes)
    kind = None if causes or chain.earlier else kind_of_event
    yield from _rows_of_event(chain.event, depth, words, kind)
    if chain.more_runs:
        yield _more(plural(chain.more_runs, "more run"), depth + 1, at_us)


def _origin(cause: Cause) -> str:
    if cause.kind == "unknown":
        return "Unknown cause"
    title = f"{cause.kind} {cause.title}" if cause.kind in ("automation", "script") else cause.title
    return title[:1].upper() + title[1:]


def _rows_of_event(event: ChainedEvent, depth: int, words: _Words, cause: CauseKind | None) -> Iterator[WaterfallRow]:
    trigger = event.trigger
    title = _due(trigger, words) if isinstance(trigger, DueTrigger) else _change(trigger, words)
    at_us = event.at_us
    if isinstance(trigger, DueTrigger) and not trigger.manual:
        at_us = min(at_us, trigger.due_us) if at_us - trigger.due_us < SECOND_US else at_us
    yield WaterfallRow(
        kind="event", depth=depth, title=title, at_us=at_us, cause=cause, entity_id=trigger.subject,
        detail=words.place(trigger.subject),
    )  # fmt: skip
    for node in event.runs:
        yield from _rows_of_run(node, depth + 1, words)


def _rows_of_run(node: ChainedRun, depth: int, words: _Words) -> Iterator[WaterfallRow]:
    run = node.run
    yield WaterfallRow(
        kind="run", depth=depth, title=run.registration.title, at_us=run.started_us, duration_us=run.duration_us,
        run=run, detail=_failure_of(run),
    )  # fmt: skip
    effects: list[tuple[int, list[WaterfallRow]]] = [
        (
            line.at_us,
            [WaterfallRow(kind="log", depth=depth + 1, title=line.message, at_us=line.at_us, log=line)],
        )
        for line in node.logs
    ]
    effects += [(call.call.at_us, list(_rows_of_call(call, depth + 1, words))) for call in node.calls]
    effects += [(rows[0].at_us, rows) for rows in _rows_of_reads(node, depth + 1, words)]
    for _, rows in sorted(effects, key=lambda effect: effect[0]):
        yield from rows
    left_out = [
        plural(count, noun)
        for count, noun in (
            (node.more_logs, "more log line"),
            (node.more_calls, "more service call"),
            (node.more_reads, "more read"),
        )
        if count
    ]
    if left_out:
        yield _more(", ".join(left_out), depth + 1, run.started_us + run.duration_us)


def _rows_of_reads(node: ChainedRun, depth: int, words: _Words) -> Iterator[list[WaterfallRow]]:
    """Return one row for all reads between two other effects of a run."""
    times = sorted([*(line.at_us for line in node.logs), *(call.call.at_us for call in node.calls)])
    for _, group in groupby(node.reads, key=lambda read: bisect(times, read.at_us)):
        reads = tuple(group)
        many = len(reads) > _MAX_READS_IN_TITLE
        title = plural(len(reads), "state") if many else ", ".join(read.title(words.title) for read in reads)
        yield [WaterfallRow(kind="read", depth=depth, title=_short(title), at_us=reads[0].at_us, reads=reads)]


def _rows_of_call(node: ChainedCall, depth: int, words: _Words) -> Iterator[WaterfallRow]:
    call = node.call
    target = ", ".join((*map(words.title, entities_of(call.target)), *others_of(call.target)))
    yield WaterfallRow(
        kind="call", depth=depth, title=f"{call.service} → {target}" if target else call.service, at_us=call.at_us,
        duration_us=None if call.rehearsed else call.duration_us, call=call, detail=call.error or call.data or "",
    )  # fmt: skip
    for event in node.events:
        yield from _rows_of_event(event, depth + 1, words, None)
    if node.more_runs:
        yield _more(plural(node.more_runs, "more run"), depth + 1, call.at_us + call.duration_us)


def _more(title: str, depth: int, at_us: int) -> WaterfallRow:
    return WaterfallRow(kind="more", depth=depth, title=title, at_us=at_us)


def _cause(trigger: Trigger) -> CauseKind:
    """Return the kind of the first event, if nothing before it is known."""
    if not isinstance(trigger, EventTrigger):
        return "scheduled"
    if trigger.immediate:
        return "app"
    return "device" if trigger.entity_id and trigger.context_id and not trigger.missed else "unknown"


def _due(trigger: DueTrigger, words: _Words) -> str:
    return "Started by hand" if trigger.manual else f"Due at {words.moment(trigger.due_us)}"


def _change(trigger: Trigger, words: _Words) -> str:
    """Return the title of an event."""
    if not isinstance(trigger, EventTrigger):
        return ""
    if not trigger.entity_id:
        return f"Event {trigger.event_type}"
    change = f" {trigger.change}" if trigger.change else ""
    return f"{words.title(trigger.entity_id)}{change}"


def _failure_of(run: Run) -> str:
    return _short(run.failure.text) if run.failure is not None else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 1]}…"


def _sentence(chain: Chain, words: _Words, causes: tuple[Cause, ...]) -> str:
    """Describe the run that was asked for: why it ran, what it did, and what followed."""
    run = chain.asked
    node = _find(chain.event.runs, run.id)
    first = f"{_because(chain, words, causes)} {run.registration.title} {_result(run)}"
    parts = [first if first.endswith((".", "…")) else f"{first}."]
    if node is not None and node.calls:
        parts.append(_did(node, words))
        caused = [found.run for call in node.calls for event in call.events for found in event.runs]
        if caused:
            parts.append(_triggered(caused, sum(call.more_runs for call in node.calls)))
    return " ".join(parts)


def _because(chain: Chain, words: _Words, causes: tuple[Cause, ...]) -> str:
    trigger = chain.asked.trigger
    if isinstance(trigger, DueTrigger):
        return "Started by hand," if trigger.manual else f"Due at {words.moment(trigger.due_us)},"
    clause = _clause(trigger, words)
    if len(chain.path) > 1 and (caller := _find(chain.event.runs, chain.path[-2].id)) is not None:
        service = next(
            (call.call.service for call in caller.calls for event in call.events for node in event.runs
             if node.run.id == chain.asked.id), "a service",
        )  # fmt: skip
        clause = f"{caller.run.registration.title} called {service} and {clause}"
    elif causes and len(chain.path) == 1 and causes[-1].kind != "unknown":
        clause = f"{_origin(causes[0])} caused it: {clause}"
    # The first letter of an entity id or of a name stays as it is.
    if clause.startswith(("the ", "an ")):
        clause = clause[0].upper() + clause[1:]
    return f"{clause}, so"


def _clause(trigger: EventTrigger, words: _Words) -> str:
    name = words.title(trigger.entity_id) if trigger.entity_id else ""
    if not name:
        return f"the event {trigger.event_type} arrived"
    old, new = (None if state is None else _short(state) for state in (trigger.old_state, trigger.new_state))
    if trigger.immediate:
        return f"{name} was {new} at the start of the app"
    if old is None and new is None:
        return f"the event {trigger.event_type} about {name} arrived"
    if old is None:
        return f"{name} appeared as {new}"
    if new is None:
        return f"{name} was removed"
    if trigger.missed:
        return f"{name} had changed from {old} to {new} while Hassette was not connected"
    if old == new:
        return f"an attribute of {name} changed"
    return f"{name} changed from {old} to {new}"


def _result(run: Run) -> str:
    took = f"ran for {duration(run.duration_us)}"
    match run.status:
        case "success":
            return took
        case "cancelled":
            return f"{took} and was cancelled"
        case "timed_out":
            return f"{took} and exceeded its deadline"
        case "interrupted":
            return f"{took} and was interrupted, because the process ended"
        case _:
            return f"{took} and failed with {_failure_of(run)}" if run.failure else f"{took} and failed"


def _did(node: ChainedRun, words: _Words) -> str:
    call = node.calls[0].call
    entities = entities_of(call.target)
    target = (
        words.title(entities[0])
        if len(entities) == 1
        else plural(len(entities), "entity", "entities")
        if entities
        else ""
    )
    target = target or ", ".join(others_of(call.target))
    text = f"It called {call.service}{f' for {target}' if target else ''}"
    if call.rehearsed:
        text = f"It would have called {call.service}{f' for {target}' if target else ''}"
    elif call.error:
        text += ", which failed"
    elif call.confirmed_us is not None:
        text += f", confirmed after {duration(call.confirmed_us)}"
    others = len(node.calls) + node.more_calls - 1
    made = "would have made" if call.rehearsed else "made"
    return f"{text}. It {made} {plural(others, 'other call')}." if others else f"{text}."


def _triggered(runs: list[Run], more: int) -> str:
    others = len(runs) - 1 + more
    first = f"That triggered {runs[0].registration.title}"
    return f"{first} and {plural(others, 'more run')}." if others else f"{first}."


def _find(nodes: Iterable[ChainedRun], run_id: int) -> ChainedRun | None:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node.run.id == run_id:
            return node
        waiting += [found for call in node.calls for event in call.events for found in event.runs]
    return None


async def _similar(transaction: ReadTransaction, run: Run) -> SimilarRuns:
    """Compare a run with the runs of the same handler or job in the seven days before its end."""
    week = TimeRange(max(run.ended_us - _SIMILAR_FOR_US, 0), run.ended_us + SECOND_US)
    registration = (await registration_detail(transaction, run.registration.id, week)).registration
    total, failed = registration.counts.total, registration.counts.failed
    p50, p95 = registration.percentiles.p50_us, registration.percentiles.p95_us
    text = f"{plural(total, 'run')} in 7 days, {f'{failed:,} failed' if failed else 'none failed'}"
    if p50 is not None:
        text += f"; p50 {duration(p50)}, p95 {duration(p95)}"
    if run.status in FAILED_STATUSES:
        verdict, judged = (
            "failed",
            f"This one failed, like {plural(failed - 1, 'other')}." if failed > 1 else "Only this one failed.",
        )
    elif total < _MIN_SIMILAR or p95 is None:
        verdict, judged = "too few", "There are too few runs to compare."
    elif run.duration_us > p95 * 1.01:  # a percentile is exact to 1 %
        verdict, judged = "slow", f"This one took {duration(run.duration_us)}: longer than 95 % of them."
    else:
        verdict, judged = "typical", "This one is typical."
    return SimilarRuns(runs=total, failed=failed, p50_us=p50, p95_us=p95, verdict=verdict, sentence=f"{text}. {judged}")
