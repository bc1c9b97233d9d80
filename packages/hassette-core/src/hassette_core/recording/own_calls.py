"""`OwnCalls`: distinguish the service calls of Hassette from those of other programs with the same user."""

import json
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from hassette_core.containment import current_app
from hassette_executor import HomeCause, ServiceCall, is_in_run

HELD_S: Final = 40.0
"""How long the event of a call of Hassette's user waits for a response to Hassette. Most calls end within 30 s."""
MAX_HELD: Final = 1_000
_MAX_OWN: Final = 4_096
_MAX_OF_CONTEXT: Final = 20
_LATE_NS: Final = 5_000_000_000
_IN_A_RUN: Final = ""


class _Held(NamedTuple):
    """The time of the first event with a context, and the events with this context."""

    at_ns: int
    causes: list[HomeCause]


class OwnCalls:
    """Holds the events of Hassette's user back until it is clear who sent them.

    - A run of an app got the response: the call is part of its record, so the event is dropped.
    - Code outside a run got the response, such as ``on_initialize``, or a task after the end of its run: the event is
      recorded with the name of the app.
    - There was no response to Hassette: another program with the same user, such as a browser, made the call.

    While no call of Hassette is in progress, an event is recorded at once.

    The response to a failed call has no context. If exactly one event of Hassette's user fits the call, the call gets
    the context of that event.

    Args:
        monotonic_ns: Monotonic clock.
        record: Records an event.

    Attributes:
        user_id: Hassette's user. None until it is known; `hold` then receives the events of all users.
    """

    def __init__(self, monotonic_ns: Callable[[], int], record: Callable[[HomeCause], None]) -> None:
        self._monotonic_ns = monotonic_ns
        self._record = record
        self._held: dict[str, _Held] = {}
        self._own: dict[str, str] = {}
        self._in_progress = 0
        self._unclear_until_ns = 0
        self.user_id: str | None = None

    def know_user(self, user_id: str | None) -> None:
        """Set Hassette's user, and record the held events of other users."""
        self.user_id = user_id
        if user_id is not None:
            of_others = [context_id for context_id, held in self._held.items() if held.causes[0].user_id != user_id]
            for context_id in of_others:
                self._record_all(context_id)

    def begin(self) -> None:
        """Count a call that Hassette begins. `answered` ends it."""
        self._in_progress += 1

    def hold(self, cause: HomeCause) -> None:
        """Receive an event of Hassette's user, or of any user while Hassette's user is not known."""
        caller = self._own.get(cause.context_id)
        if caller is not None:  # the response to a REST request may come before its event
            self._record_by(cause, caller)
            return
        if not self._in_progress and self._monotonic_ns() >= self._unclear_until_ns:
            self._record(cause)
            return
        # A script makes its calls with the context of the call that started it.
        held = self._held.setdefault(cause.context_id, _Held(self._monotonic_ns(), []))
        if len(held.causes) < _MAX_OF_CONTEXT:
            held.causes.append(cause)
        if len(self._held) > MAX_HELD:
            self._record_all(next(iter(self._held)))

    def answered(self, call: ServiceCall) -> ServiceCall:
        """Receive a call that has ended. Return it with the context of its event, if its response had none."""
        self._in_progress -= 1
        if call.rehearsed:
            return call
        context_id = call.context_id or self._context_of_failed(call)
        if context_id is None:
            # If the caller was cancelled, Home Assistant may still carry out the call.
            self._unclear_until_ns = self._monotonic_ns() + _LATE_NS
            return call
        caller = _caller()
        if (held := self._held.pop(context_id, None)) is not None:
            for cause in held.causes:
                self._record_by(cause, caller)
        self._own[context_id] = caller
        if len(self._own) > _MAX_OWN:
            for oldest in list(islice(self._own, _MAX_OWN // 4)):
                del self._own[oldest]
        return call._replace(context_id=context_id)

    def release(self, older_than_s: float = HELD_S) -> None:
        """Record held events that are old: another program sent them."""
        limit_ns = self._monotonic_ns() - int(older_than_s * 1e9)
        while self._held:
            context_id, held = next(iter(self._held.items()))
            if held.at_ns > limit_ns:
                return
            self._record_all(context_id)

    def _record_all(self, context_id: str) -> None:
        for cause in self._held.pop(context_id).causes:
            self._record(cause)

    def _record_by(self, cause: HomeCause, caller: str) -> None:
        if caller != _IN_A_RUN:
            self._record(cause._replace(detail=caller))

    def _context_of_failed(self, call: ServiceCall) -> str | None:
        sent_ns = self._monotonic_ns() - call.duration_us * 1_000
        service, target = f"{call.domain}.{call.service}", _ids(call.target)
        fitting = [
            context_id
            for context_id, held in self._held.items()
            if held.causes[0].service == service
            and held.at_ns >= sent_ns
            and _fits(_ids(held.causes[0].target), target)
        ]
        if len(fitting) == 1 and self.user_id is not None:
            return fitting[0]
        for context_id in fitting:  # one of them may be this call, so none of them is known to be of another program
            del self._held[context_id]
        return None


def _caller() -> str:
    if is_in_run():
        return _IN_A_RUN
    actor = current_app()
    return f"{actor[0]}.{actor[1]}" if actor else "Hassette"


def _fits(of_event: frozenset[str] | None, of_call: frozenset[str] | None) -> bool:
    """Return whether the targets of an event and of a call may be the same.

    The target of an event has at most 50 ids of each kind.
    """
    if of_event is None or of_call is None:
        return True
    return of_event <= of_call and bool(of_event) is bool(of_call)


def _ids(target: str) -> frozenset[str] | None:
    """Return all ids in the compact JSON of a target; None if it is truncated."""
    try:
        table: Any = json.loads(target or "{}")
    except ValueError:
        return None
    if not isinstance(table, dict):
        return None
    values = list(cast("dict[str, Any]", table).values())
    listed = [cast("list[Any]", value) if isinstance(value, list) else [value] for value in values]
    return frozenset(one.lower() for value in listed for one in value if isinstance(one, str))
