"""`Listener`: check an event, pass it through the gates, and offer the run to the lane."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from hassette_core.bus.change_filter import ChangeFilter
from hassette_core.bus.condition_failures import ConditionFailures
from hassette_core.bus.event_filter import EventFilter
from hassette_core.bus.gates import Debounce, Delivery, DeliveryGate, HeldDelivery, Hold, HomeObservation, Throttle
from hassette_core.bus.kept_events import KeptEvents
from hassette_core.bus.options import DEFAULT_MISSED, ListenerOptions
from hassette_core.bus.triggers import trigger_of
from hassette_core.clock import TimerClock
from hassette_core.conditions import Condition, ConditionContext, as_condition
from hassette_core.containment import ACTOR, app_actor
from hassette_core.entities import Entities
from hassette_core.events import Event, State, StateChanged, current_state
from hassette_core.handlers import InjectionPlan, optional_seconds
from hassette_core.roster import Roster, RunLane
from hassette_executor import EventTrigger, InvokeHandler, ListenerRegistration


class ListenerContext(NamedTuple):
    """The objects that all listeners of a bus share.

    Attributes:
        roster: The registered listeners.
        states: The current states of all entities.
        clock: Clock of the gates.
        observation: Confirms that all changes have been received.
        conditions: Provides the view of conditions.
        failures: Reports failed conditions.
        redact: Masks secrets in triggers and explanations.
        kept: The kept events of each app instance that a newer version replaces, by app and instance.
        numbers: Counts the registrations.
    """

    roster: "Roster[Listener]"
    states: Mapping[str, State]
    clock: TimerClock
    observation: HomeObservation
    conditions: ConditionContext
    failures: ConditionFailures
    redact: Callable[[str], str]
    kept: dict[tuple[str, ...], KeptEvents]
    numbers: Iterator[int]


class LoopPause(NamedTuple):
    """A pause of a listener that triggered itself again and again.

    Attributes:
        until_ns: The end of the pause, by the monotonic clock.
        caused: Returns whether an app has caused an event. Only these events are skipped.
    """

    until_ns: int
    caused: Callable[[EventTrigger], bool]


class ListenerIndex(Protocol):
    """Finds the listeners of an event."""

    def add(self, key: Any, listener: Any, /) -> None:
        """Add a listener with a key."""
        ...

    def remove(self, key: Any, listener: Any, /) -> None:
        """Remove a listener that was added with this key."""
        ...


class Listener:
    """A handler that listens to a topic.

    An event passes these steps: change filter → hold → condition → debounce or throttle → run lane → run.

    Args:
        registration: Name, topic and settings, as they are recorded.
        lane: Starts, queues or skips the runs, depending on the mode.
        plan: Binds the handler's parameters to an event.
        change: Selects the changes that lead to a run. None for a listener to all events of its topic.
        options: The options, already checked.
        events: Selects the events that lead to a run; None for a listener to changes or to triggers.
        index: The index in which the bus finds this listener.
        index_key: The key of this listener in the index.
        context: The objects that all listeners share.

    Attributes:
        registration: Name, topic and settings, as they are recorded.
        order: The place among the listeners that receive an event.
        active: False once the listener is cancelled, or once the only run of a ``once`` listener has started.
    """

    def __init__(
        self,
        registration: ListenerRegistration,
        lane: RunLane,
        plan: InjectionPlan,
        change: ChangeFilter | None,
        options: ListenerOptions,
        *,
        events: EventFilter | None,
        index: ListenerIndex,
        index_key: object,
        context: ListenerContext,
    ) -> None:
        self.registration = registration
        self.active = True
        self.order = (-options.get("priority", 0), next(context.numbers))
        self._actor = app_actor(registration.key)
        self._lane = lane
        self._plan = plan
        self._change = change
        where = options.get("where")
        self._where = None if where is None else as_condition("where", where)
        self._once = options.get("once", False)
        self._ignores_missed = options.get("missed", DEFAULT_MISSED) == "ignore"
        self._pause: LoopPause | None = None
        self._events = events
        self._index = index
        self._index_key = index_key
        self._context = context
        self._admit = self._run
        self._gates: list[DeliveryGate] = []
        self._hold: Hold | None = None
        if (quiet_s := optional_seconds("debounce", options.get("debounce"))) is not None:
            self._gates.append(Debounce(quiet_s, context.clock, self._run, self._skip))
        if (interval_s := optional_seconds("throttle", options.get("throttle"))) is not None:
            self._gates.append(Throttle(interval_s, context.clock, self._run, self._skip))
        if self._gates:
            self._admit = self._gates[0].offer
        self._release = self._admit if self._where is None else self._check_where
        if change is not None and change.duration_s is not None:
            self._hold = Hold(change.duration_s, context.clock, context.observation, self._still_applies, self._release)
            self._gates.append(self._hold)
            self._release = self._hold.offer

    @property
    def entities(self) -> Entities | None:
        """The entities whose changes this listener receives. None for a listener to other events."""
        return None if self._change is None else self._change.entities

    @property
    def owner(self) -> tuple[str, ...]:
        """App and instance."""
        return self.registration.key[:2]

    @property
    def where(self) -> Condition | None:
        """The condition of the option ``where``."""
        return self._where

    def offer(self, event: Event, trigger: EventTrigger) -> bool:
        """Check an event of the topic. If it meets the conditions, pass it on. Return whether it does.

        It goes to the first gate. If the listener has no gate, it goes to the lane.
        """
        if not self.active:
            return False
        token = ACTOR.set(self._actor)
        try:
            matches = self._matches(event)
        except BaseException as error:  # noqa: BLE001  A condition is code of the app. Its exception, even a
            # SystemExit, concerns this listener only.
            self.fail(error, trigger)
            return False
        finally:
            ACTOR.reset(token)
        if matches:
            self._pass_on(Delivery(event, trigger, event.received_ns))
        return matches

    def fail(self, error: BaseException, trigger: EventTrigger | None = None) -> None:
        """Count an event as ``predicate_failed``, because code of the app that checks the event raised an exception."""
        self._context.failures.report(self.registration, self._lane, error, trigger)

    def _pass_on(self, delivery: Delivery) -> None:
        event = delivery.event
        if not isinstance(event, StateChanged) or not event.missed:
            self._release(delivery)
        elif not self._ignores_missed:
            if self._hold is not None and self._change is not None and event.new_state is not None:
                self._hold.offer_since(delivery, self._change.began(event.new_state))
            else:
                self._release(delivery)

    def run_with_current_states(self) -> None:
        """Check the current state of each entity, and pass on each state that meets the options.

        While a newer version replaces the app, this happens after the kept events.
        """
        kept = self._context.kept.get(self.owner)
        if kept is not None:
            kept.immediate.append(self)
        else:
            self.catch_up({})

    def catch_up(self, passed_on: Mapping[str, State]) -> None:
        """Pass on the current state of each entity that meets the options.

        Args:
            passed_on: The newest state of each entity that this listener has passed on already, from an event.
        """
        assert self._change is not None  # only a listener to changes has the option
        states = self._context.states
        token = ACTOR.set(self._actor)
        try:
            entities = self._change.entities.find(states)
        except BaseException as error:  # noqa: BLE001  a selection may be code of the app
            self.fail(error)
            return
        finally:
            ACTOR.reset(token)
        for entity_id in entities:
            if self.active and (state := states.get(entity_id)) is not None:
                known = passed_on.get(entity_id)
                if known is None or self._change.began(known) != self._change.began(state):
                    self._offer_current(self._change, state)

    def _offer_current(self, change: ChangeFilter, state: State) -> None:
        token = ACTOR.set(self._actor)
        try:
            matches = change.accepts_current(state)
        except BaseException as error:  # noqa: BLE001  as in offer
            self.fail(error)
            return
        finally:
            ACTOR.reset(token)
        if not matches:
            return
        event = current_state(state, self._context.clock.monotonic_ns())
        delivery = Delivery(event, trigger_of(event, self._context.redact), event.received_ns)
        if self._hold is not None:
            self._hold.offer_current(delivery, change.began(state))
        else:
            self._release(delivery)

    def cancel(self) -> None:
        """End the listener and drop held events. Runs that have started continue."""
        if self.active:
            self.end()

    def deactivate(self) -> bool:
        """Deactivate the listener, so that it receives no further event.

        Return False if events are held, or if runs wait or are in progress.
        """
        self.active = False
        return self._lane.idle and not (self._gates and any(gate.holds for gate in self._gates))

    def end(self) -> None:
        """Remove the listener, which is active or deactivated, and drop held events."""
        self._end()
        self._lane.close()

    def drop_waiting(self) -> None:
        """Drop held events and waiting runs. The listener stays active."""
        for gate in self._gates:
            gate.drop_held()
        self._lane.skip_waiting()

    def take_held(self) -> list[HeldDelivery]:
        """Remove the events that the gates hold, and return them, for the listener that replaces this one."""
        return [held for gate in self._gates for held in gate.take_held()]

    def give_held(self, held: HeldDelivery) -> None:
        """Hold or pass on an event that another listener held, if this listener would have accepted it."""
        event = held.delivery.event
        try:
            matches = self._change is None or (isinstance(event, StateChanged) and self._change.matches(event))
        except BaseException as error:  # noqa: BLE001  as in offer
            self.fail(error)
            return
        if not matches:
            return
        if held.waited_s is None:
            self._admit(held.delivery)
        elif self._hold is not None:
            self._hold.offer_waited(held.delivery, held.waited_s)
        # A listener without a duration does not run for a change of the past.

    def _matches(self, event: Event) -> bool:
        if self._change is not None:
            assert isinstance(event, StateChanged)  # a listener with a change filter receives no other events
            if self._hold is not None and self._continues(event, self._hold, self._change):
                return False
            return self._change.matches(event)
        return self._events is None or self._events.matches(event)

    def _check_where(self, delivery: Delivery) -> None:
        """Pass an event on if the condition holds. Otherwise count it as not run."""
        assert self._where is not None  # this step exists only with a condition
        token = ACTOR.set(self._actor)
        try:
            reason = self._where.check(self._context.conditions.view(delivery.event))
        except BaseException as error:  # noqa: BLE001  as in offer
            self.fail(error, delivery.trigger)
            return
        finally:
            ACTOR.reset(token)
        if reason is None:
            self._admit(delivery)
        else:
            self._skip("condition", delivery, self._context.redact(reason))

    def _skip(self, reason: str, delivery: Delivery, detail: str = "") -> None:
        self._lane.skip(reason, 1, delivery.trigger, detail)

    def _continues(self, event: StateChanged, hold: Hold, change: ChangeFilter) -> bool:
        """Return whether a held change of the entity still applies after this event. If it does not, drop it."""
        held = hold.held(event.entity_id)
        if held is None:
            return False
        assert isinstance(held.event, StateChanged)
        if not change.still_applies(held.event, event.new_state):
            hold.drop(event.entity_id)
            return False
        if event.missed and event.new_state is not None and not change.was_unbroken(event):
            # The value may have changed and changed back in between, so only the time since its last change counts.
            began = replace(held.event, new_state=event.new_state, missed=True)
            hold.offer_since(held._replace(event=began), change.began(event.new_state))
        return True

    def _still_applies(self, delivery: Delivery) -> bool:
        assert isinstance(delivery.event, StateChanged)  # only a listener with a change filter has a duration
        assert self._change is not None
        token = ACTOR.set(self._actor)
        try:
            # Check the current state, because an event may have been missed while the connection was lost.
            return self._change.still_applies(delivery.event, self._context.states.get(delivery.event.entity_id))
        except BaseException as error:  # noqa: BLE001  as in offer
            self.fail(error, delivery.trigger)
            return False
        finally:
            ACTOR.reset(token)

    @property
    def paused(self) -> bool:
        """Whether the listener is paused, because it triggered itself again and again."""
        return self._pause is not None and self._context.clock.monotonic_ns() < self._pause.until_ns

    def pause(self, pause: "LoopPause") -> None:
        """Skip the events that apps cause, until the pause ends."""
        self._pause = pause

    def resume(self) -> None:
        """End a pause."""
        self._pause = None

    def _skips(self, pause: "LoopPause", delivery: Delivery) -> bool:
        if self._context.clock.monotonic_ns() >= pause.until_ns:
            self._pause = None
            return False
        if not pause.caused(delivery.trigger):
            return False
        self._lane.skip("loop", 1, delivery.trigger, "the listener is paused because it triggered itself")
        return True

    def _run(self, delivery: Delivery) -> None:
        if self._pause is not None and self._skips(self._pause, delivery):
            return
        if self._once:
            if not self.active:
                return
            self._end()  # before the run starts, so that a second event does not find this listener
        self._lane.offer(
            InvokeHandler(
                registration=self.registration,
                call=self._plan.bind(delivery.event),
                trigger=delivery.trigger,
                ready_ns=delivery.ready_ns,
            )
        )
        if self._once:
            self._lane.close()  # after the offer, so that the registration is retired only when the run has ended

    def _end(self) -> None:
        self.active = False
        self._index.remove(self._index_key, self)
        self._context.roster.remove(self)
        self.drop_waiting()
