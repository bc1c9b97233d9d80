"""`HomeRecorder`: record changes of the home and their causes, so that the history can explain them."""

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from typing import Final, Protocol

from hassette_core.clock import TimerClock
from hassette_core.entities import glob_matcher
from hassette_core.events import Event, State, StateChanged
from hassette_core.recording.budgets import Budgets
from hassette_core.recording.causes import MAX_TEXT, cause_of, event_as_cause
from hassette_core.recording.own_calls import OwnCalls
from hassette_executor import Circumstance, HomeCause, HomeChange, RepeatedLog, ServiceCall, redact_and_cut

logger = logging.getLogger(__name__)

ACTIVE_DOMAINS: Final = (
    *("alarm_control_panel", "automation", "button", "climate", "counter", "cover", "fan", "humidifier"),
    *("input_boolean", "input_button", "input_datetime", "input_number", "input_select", "input_text", "lawn_mower"),
    *("light", "lock", "media_player", "number", "remote", "scene", "schedule", "script", "select", "siren", "switch"),
    *("text", "timer", "vacuum", "valve", "water_heater"),
)
"""Domains of entities on which people, automations and apps can act."""
MAX_CAUSES: Final = 4_096
"""Number of newest causes whose context is remembered. Their changes come within seconds."""
MAX_ENTITIES: Final = 20_000
"""Number of entities for which the decision is remembered."""
MAX_RECENT: Final = 500
"""Number of newest events that are remembered, because an automation may name one of them as its trigger."""

_ALWAYS, _IF_CAUSED, _NEVER = 1, 0, -1
_OF_RUNNING_TIMERS: Final = ("finishes_at", "duration", "remaining", "last_transition")
_SENT: Final = frozenset(("service_call", "event"))
"""Kinds of causes that a client of Home Assistant can send."""


class CircumstanceReceiver(Protocol):
    """Records circumstances. The executor is one."""

    def note(self, circumstance: Circumstance) -> None:
        """Record a circumstance."""
        ...

    def count_loss(self, reason: str, what: str, count: int, first_us: int, last_us: int) -> None:
        """Count circumstances that are not recorded."""
        ...


class HomeRecorder:
    """Records changes of the home and their causes, and passes each event on.

    A change of a state is recorded if the entity has one of the domains, or if the change has a user, a parent context
    or the context of a recorded cause. A change of attributes only is not recorded, but for a running timer that gets
    another end. A missed change is not recorded: its time is not known. The event that triggered a recorded automation
    or change is recorded, too, for example the change of a motion sensor. The service calls of runs are part of their
    records, so they are no causes here.

    Args:
        receiver: Records the circumstances.
        pass_on: Receives each event, after its change or cause is recorded.
        clock: Wall clock and monotonic clock.
        redact: Masks secrets.
        domains: Domains of entities that can be acted on, such as ``light``.
        exclude: Entity ids and globs of entities whose changes are not recorded.
    """

    def __init__(
        self,
        receiver: CircumstanceReceiver,
        pass_on: Callable[[Event], None],
        *,
        clock: TimerClock,
        redact: Callable[[str], str] = str,
        domains: Collection[str] = ACTIVE_DOMAINS,
        exclude: Iterable[str] = (),
    ) -> None:
        self._receiver = receiver
        self._pass_on = pass_on
        self._clock = clock
        self._redact = redact
        self._domains = frozenset(domains)
        self._excludes = [glob_matcher(glob) for glob in exclude]
        self._wanted: dict[str, int] = {}
        self._contexts: dict[str, None] = {}
        self._recent: deque[Event] = deque(maxlen=MAX_RECENT)
        self._remember = self._recent.append
        self._own_calls = OwnCalls(clock.monotonic_ns, self._record_cause)
        self._budgets = {field: Budgets(clock.monotonic_ns) for field in ("home_changes", "home_causes")}
        self._repeated = RepeatedLog(logger, monotonic_ns=clock.monotonic_ns)

    @property
    def user_id(self) -> str | None:
        """The user of the access token. None until it is known."""
        return self._own_calls.user_id

    @user_id.setter
    def user_id(self, user_id: str | None) -> None:
        self._own_calls.know_user(user_id)

    def receive(self, event: Event) -> None:
        """Record an event if it is a change or a cause, and pass it on."""
        try:
            if type(event) is StateChanged:
                # Most events are changes of sensors. For them, nothing but these lines is done.
                self._remember(event)
                wanted = self._wanted.get(event.entity_id)
                if wanted is None:
                    wanted = self._decide(event.entity_id)
                context = event.context
                if wanted == _ALWAYS or (
                    wanted == _IF_CAUSED
                    and (context.parent_id is not None or context.user_id is not None or context.id in self._contexts)
                ):
                    self._record_change(event)
            elif (cause := cause_of(event, self._redact)) is not None:
                self._receive_cause(cause)
            else:
                self._remember(event)
        except Exception as error:  # noqa: BLE001  The recording must never keep an event from the apps.
            self._repeated.log(
                "failed",
                logging.ERROR,
                "Change of the home could not be recorded",
                extra={"event_type": event.event_type, "problem": f"{type(error).__name__}: {error}"},
            )
        self._pass_on(event)

    def calling(self) -> None:
        """Count a call that Hassette begins. `called` ends it."""
        self._own_calls.begin()

    def called(self, call: ServiceCall) -> ServiceCall:
        """Receive a call of Hassette that has ended. Return it with its context, as far as that is known."""
        return self._own_calls.answered(call)

    def record_held(self) -> None:
        """Record the events of Hassette's user that still wait for a response to Hassette."""
        self._own_calls.release(0)

    def _decide(self, entity_id: str) -> int:
        if len(self._wanted) >= MAX_ENTITIES:
            self._wanted.clear()
        if any(excludes(entity_id) for excludes in self._excludes):
            wanted = _NEVER
        else:
            wanted = _ALWAYS if entity_id.partition(".")[0] in self._domains else _IF_CAUSED
        self._wanted[entity_id] = wanted
        return wanted

    def _record_change(self, event: StateChanged) -> None:
        old, new, context = self._text(event.old_state), self._text(event.new_state), event.context
        if event.missed or not context.id or (old == new and not _is_restart_of_timer(event)):
            return
        self._own_calls.release()
        if context.parent_id is not None:
            self._record_trigger(context.parent_id)
        if self._is_allowed("home_changes", event.entity_id):
            change = HomeChange(0, event.entity_id, old, new, context.id, context.parent_id, context.user_id)
            self._receiver.note(change)

    def _receive_cause(self, cause: HomeCause) -> None:
        if cause.parent_id is not None:
            self._record_trigger(cause.parent_id)
        self._know(cause.context_id)
        self._own_calls.release()
        self._record_or_hold(cause)

    def _record_or_hold(self, cause: HomeCause) -> None:
        # Until the user of Hassette is known, the event of any user may be that of a call of Hassette.
        if cause.kind in _SENT and cause.user_id is not None and self.user_id in (cause.user_id, None):
            self._own_calls.hold(cause)
        else:
            self._record_cause(cause)

    def _know(self, context_id: str) -> None:
        self._contexts[context_id] = None
        if len(self._contexts) > MAX_CAUSES:
            for oldest in list(islice(self._contexts, MAX_CAUSES // 4)):
                del self._contexts[oldest]

    def _record_trigger(self, context_id: str) -> None:
        """Record the event with a context, if it has not been recorded as a cause or as a change."""
        if context_id in self._contexts:
            return
        trigger = next((event for event in reversed(self._recent) if event.context.id == context_id), None)
        if trigger is None:
            return
        context = trigger.context
        if type(trigger) is not StateChanged:
            self._know(context_id)
            self._record_or_hold(event_as_cause(trigger, self._redact))
        elif (
            self._wanted.get(trigger.entity_id) == _IF_CAUSED and context.parent_id is None and context.user_id is None
        ):
            self._know(context_id)
            self._record_change(trigger)

    def _record_cause(self, cause: HomeCause) -> None:
        if self._is_allowed("home_causes", cause.entity_id or cause.service or ""):
            self._receiver.note(cause)

    def _is_allowed(self, field: str, key: str) -> bool:
        if self._budgets[field].take(key):
            return True
        at_us = self._clock.wall_ns() // 1000
        self._receiver.count_loss("too_many", field, 1, at_us, at_us)
        return False

    def _text(self, state: State | None) -> str | None:
        return None if state is None else redact_and_cut(state.state, MAX_TEXT, self._redact)


def _is_restart_of_timer(event: StateChanged) -> bool:
    """Return whether a running timer starts again, or gets another end.

    Home Assistant reports the same state again, with the context of the call. The end of a timer has a context without
    a cause.
    """
    old, new = event.old_state, event.new_state
    if old is None or new is None or new.state != "active" or not event.entity_id.startswith("timer."):
        return False
    # Home Assistant also reports a restart that changes nothing, within one second. A new name is no restart.
    before, after = old.attributes, new.attributes
    return before == after or any(before.get(key) != after.get(key) for key in _OF_RUNNING_TIMERS)
