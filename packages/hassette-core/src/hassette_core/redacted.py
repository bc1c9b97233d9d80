"""Records without secrets: what an app raises, logs or sends may hold one, and is kept and shown (design section 8).

Only texts are looked at, never what a record is found or classified by: somebody's password may be ``timeout``. The
settings of a registration are cleared where it is made.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self, TypeVar

from hassette_core.logs import Redaction
from hassette_core.secrets import SHORTEST
from hassette_executor import (
    Batch,
    Effects,
    EventTrigger,
    Failure,
    Record,
    RecordSink,
    RunningExecution,
    Subscription,
)

_R = TypeVar("_R", bound=Record)
_T = TypeVar("_T")


class RedactingSink:
    """Hands every batch on without secrets. The executor writes to it; who supervises the sink knows nothing of it.

    Args:
        sink: Where the batches go.
        redact: Takes the secrets out of a text.
    """

    def __init__(self, sink: RecordSink, redact: Redaction) -> None:
        self._sink = sink
        self._redact = redact

    async def write(self, batch: Batch) -> None:
        """Hand the batch on; raises what the sink raises."""
        await self._sink.write(redacted_batch(batch, self._redact))

    async def last_id(self) -> int:
        """Ask the sink."""
        return await self._sink.last_id()


class RedactedSubscription:
    """A subscription to the feed whose records hold no secret; used like the one that it wraps.

    Args:
        subscription: What is followed.
        redact: Takes the secrets out of a text.
    """

    def __init__(self, subscription: Subscription, redact: Redaction) -> None:
        self._subscription = subscription
        self._redact = redact

    async def __aenter__(self) -> Self:
        await self._subscription.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._subscription.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Record, ...]:
        """Wait for records; raises what the subscription raises."""
        records = await self._subscription.__anext__()
        return tuple([redacted_record(record, self._redact) for record in records])


def redacted_batch(batch: Batch, redact: Redaction) -> Batch:
    """Return the batch without secrets in its texts; the registrations are as they were."""
    return batch._replace(
        invocations=_redacted_all(batch.invocations, redact),
        executions=_redacted_all(batch.executions, redact),
        lifecycle=tuple([event._replace(detail=redact(event.detail)) for event in batch.lifecycle]),
        running=None if batch.running is None else redacted_running(batch.running, redact),
        session_facts=tuple([(key, redact(text) if key == "reason" else text) for key, text in batch.session_facts]),
    )


def _redacted_all(records: tuple[_R, ...], redact: Redaction) -> tuple[_R, ...]:
    # This runs on the event loop for every record, and nearly all of them hold no text that a secret would fit into:
    # fields by their place, and only lengths are asked for.
    suspects = [
        place
        for place, record in enumerate(records)
        if record[7] is not None
        or record[8] is not None
        or (
            isinstance(heard := record[2], EventTrigger)
            and (len(heard.old_state or "") >= SHORTEST or len(heard.new_state or "") >= SHORTEST)
        )
    ]
    if not suspects:
        return records
    clean = list(records)
    for place in suspects:
        clean[place] = redacted_record(clean[place], redact)
    return tuple(clean)


def redacted_running(running: Iterable[RunningExecution], redact: Redaction) -> tuple[RunningExecution, ...]:
    """Return the runs without secrets in what they heard."""
    return tuple([run._replace(trigger=_trigger(run.trigger, redact)) for run in running])


def redacted_record(record: _R, redact: Redaction) -> _R:
    """Return the record without secrets: the same one if it holds none."""
    trigger = _trigger(record.trigger, redact)
    failure = None if record.failure is None else _failure(record.failure, redact)
    effects = None if record.effects is None else _effects(record.effects, redact)
    if trigger is record.trigger and failure is None and effects is None:
        return record  # nearly every run of nearly every house
    return record._replace(trigger=trigger, failure=failure, effects=effects)


def _trigger(trigger: _T, redact: Redaction) -> _T:
    # A keypad's code may come as the state of an entity.
    if not isinstance(trigger, EventTrigger):
        return trigger
    old, new = trigger.old_state, trigger.new_state
    clean_old, clean_new = old and redact(old), new and redact(new)
    if clean_old == old and clean_new == new:
        return trigger
    return trigger._replace(old_state=clean_old, new_state=clean_new)


def _failure(failure: Failure, redact: Redaction) -> Failure:
    return failure._replace(
        message=redact(failure.message),
        cause=None if failure.cause is None else _failure(failure.cause, redact),
        group=tuple([_failure(inner, redact) for inner in failure.group]),
    )


def _effects(effects: Effects, redact: Redaction) -> Effects:
    return effects._replace(
        log_lines=tuple([line._replace(message=redact(line.message)) for line in effects.log_lines]),
        service_calls=tuple(
            [
                call._replace(
                    target=redact(call.target),
                    data=redact(call.data),
                    error=None if call.error is None else redact(call.error),
                )
                for call in effects.service_calls
            ]
        ),
    )
