"""One listener: whether it cares about an event, and the gates between that and its run."""

from collections.abc import Callable, Mapping

from hassette_core.bus.conditions import Change
from hassette_core.bus.limits import Debounce, Delivery, Gate, Hold, Throttle
from hassette_core.bus.options import ListenerOptions
from hassette_core.clock import Clock
from hassette_core.events import Event, State, StateChanged
from hassette_core.handlers import InjectionPlan, Lane, optional_seconds
from hassette_executor import EventTrigger, ListenerRegistration

PredicateFailed = Callable[["Listener", Exception], None]
"""Told that a question of a listener raised."""


class Listener:
    """A handler that listens to a topic: match → hold → debounce or throttle → lane → run.

    Args:
        registration: What is recorded about it.
        plan: How its handler is called.
        change: Which changes it cares about; None for a listener to any event of its topic.
        options: What else was asked for.
        lane: Where its runs go.
        clock: Time.
        states: What all entities are now, to see at the end of a duration whether a change has lasted.
        withdraw: Called once, when it shall hear no more.
        skipped: Told about what does not run.
        failed: Told that a question raised.
    """

    def __init__(
        self,
        registration: ListenerRegistration,
        plan: InjectionPlan,
        change: Change | None,
        options: ListenerOptions,
        lane: Lane[Delivery],
        clock: Clock,
        states: Mapping[str, State],
        *,
        withdraw: Callable[["Listener"], None],
        skipped: Callable[[str, int], None],
        failed: PredicateFailed,
    ) -> None:
        self.registration = registration
        self.plan = plan
        self.active = True
        self._change = change
        self._where = options.where
        self._once = options.once
        self._lane = lane
        self._states = states
        self._withdraw = withdraw
        self._failed = failed
        self._pass = self._launch
        self._gates: list[Gate] = []
        self._hold: Hold | None = None
        if (quiet_s := optional_seconds("debounce", options.debounce)) is not None:
            self._gates.append(Debounce(quiet_s, clock, self._pass, skipped))
        if (interval_s := optional_seconds("throttle", options.throttle)) is not None:
            self._gates.append(Throttle(interval_s, clock, self._pass, skipped))
        if self._gates:
            self._pass = self._gates[0].offer
        if (duration_s := optional_seconds("duration", options.duration)) is not None:
            self._hold = Hold(duration_s, clock, self._lasted, self._pass)
            self._gates.append(self._hold)

    def offer(self, event: Event, trigger: EventTrigger) -> None:
        """Run the handler for an event of the topic, if that is what its options ask for."""
        if not self.active:
            return
        try:
            matches = self._matches(event)
        except Exception as error:  # noqa: BLE001  a question is the app's code: its failure is this listener's alone
            self._failed(self, error)
            return
        if matches:
            delivery = Delivery(event, trigger, event.received_ns)
            self._pass(delivery) if self._hold is None else self._hold.offer(delivery)

    def cancel(self) -> None:
        """Hear no more. What is held back is dropped, a run that has begun goes on."""
        if self.active:
            self._end()
            self._lane.close()

    def pause(self) -> None:
        """Drop what is held back or waits for its turn, and hear on."""
        for gate in self._gates:
            gate.close()
        self._lane.skip_waiting()

    def _matches(self, event: Event) -> bool:
        held: Delivery | None = None
        if self._change is not None:
            assert isinstance(event, StateChanged)  # the bus gives a listener to changes nothing else
            if self._hold is not None and (held := self._hold.holding(event.entity_id)) is not None:
                assert isinstance(held.event, StateChanged)
                if self._change.lasts(held.event, event.new_state):
                    return False
                self._hold.drop(event.entity_id)
            if not self._change.happened(event):
                return False
        return self._where is None or bool(self._where(event))

    def _lasted(self, delivery: Delivery) -> bool:
        assert isinstance(delivery.event, StateChanged)  # only a listener to changes has a duration
        assert self._change is not None
        try:
            # Asked of the states, not only of the events: one may have been missed while the connection was down.
            return self._change.lasts(delivery.event, self._states.get(delivery.event.entity_id))
        except Exception as error:  # noqa: BLE001  as in offer
            self._failed(self, error)
            return False

    def _launch(self, delivery: Delivery) -> None:
        if not self._once:
            self._lane.offer(delivery)
        elif self.active:
            # Withdrawn before the run begins, so that no second event finds it; closed after, so that it is retired
            # when that one run has ended, on every path.
            self._end()
            self._lane.offer(delivery)
            self._lane.close()

    def _end(self) -> None:
        self.active = False
        self._withdraw(self)
        self.pause()
