"""`BusService`: pass each event to the listeners that match it."""

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from hassette_core.bus.change_filter import ChangeFilter
from hassette_core.bus.condition_failures import ConditionFailures
from hassette_core.bus.entity_index import EntityIndex, EventReceiver, order_of
from hassette_core.bus.event_filter import EventFilter
from hassette_core.bus.gates import HomeObservation, LocalObservation
from hassette_core.bus.home_triggers import HomeTriggers
from hassette_core.bus.kept_events import KeptEvents
from hassette_core.bus.listener import Listener, ListenerContext, ListenerIndex, LoopPause
from hassette_core.bus.options import DEFAULT_MODE, ListenerOptions, settings_of
from hassette_core.bus.topics import TopicIndex, any_group
from hassette_core.bus.trigger_config import TriggerConfig
from hassette_core.bus.triggers import trigger_of
from hassette_core.bus.waiters import Waiter, Waits
from hassette_core.clock import SystemClock, TimerClock
from hassette_core.conditions import Condition, ConditionContext, as_condition
from hassette_core.containment import check_may_control, is_rehearsing
from hassette_core.entities import parse_entities
from hassette_core.events import Context, Event, State, StateChanged, TriggerFired, new_context_id, own_event
from hassette_core.handlers import Handler, InjectionPlan, Provides
from hassette_core.lifecycle import AsyncWithService
from hassette_core.roster import Roster, registration_fields
from hassette_core.watchdogs import CauseChains, CauseLoop
from hassette_executor import (
    CommandExecutor,
    EventTrigger,
    ListenerRegistration,
    ServiceCall,
    is_in_run,
    record_service_call,
)

STATE_CHANGED = "state_changed"

logger = logging.getLogger(__name__)


class BusService(AsyncWithService):
    """Passes events to listeners. It is a `Service` and an async context manager.

    Args:
        executor: Runs the handlers.
        states: The current states of all entities. The link updates them before it calls `dispatch`.
        clock: Clock of the gates; the machine's clock by default.
        observation: Confirms at the end of a ``duration`` that all changes have been received. None for a bus without a
            connection.
        conditions: Provides the view of conditions; by default, with the states and the clock of the bus.
        grace_s: Seconds that running handlers have to end when the bus stops. After this time, the bus cancels them.
        redact: Masks secrets in settings and triggers. The settings of a listener may contain the code of an alarm, and
            so may the event of a keypad.
        causes: Finds listeners that trigger themselves. By default, none is found.

    Attributes:
        name: ``"bus"``.
        roster: The registered listeners.
        triggers: The triggers of Home Assistant to which apps listen.
    """

    name = "bus"

    def __init__(
        self,
        executor: CommandExecutor,
        *,
        states: Mapping[str, State],
        clock: TimerClock | None = None,
        observation: HomeObservation | None = None,
        conditions: ConditionContext | None = None,
        grace_s: float = 5.0,
        redact: Callable[[str], str] = str,
        causes: CauseChains | None = None,
    ) -> None:
        self._redact = redact
        self._causes = causes or CauseChains()
        self._executor = executor
        self._grace_s = grace_s
        self._changes: EntityIndex[EventReceiver] = EntityIndex()
        self._events: TopicIndex[EventReceiver] = TopicIndex(any_group, order=order_of)
        self.roster: Roster[Listener] = Roster("listener", executor)
        self.triggers = HomeTriggers(executor.report)
        clock = clock or SystemClock()
        self._context = ListenerContext(
            self.roster,
            states,
            clock,
            observation or LocalObservation(clock),
            conditions or ConditionContext(states, clock),
            ConditionFailures(clock, redact),
            redact,
            {},
            itertools.count(1),
        )
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._kept = self._context.kept
        self._open = False
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Accept events from now on. Listeners may be registered before the start."""
        self.roster.bind()
        self._open = True
        self._stopped.clear()

    async def serve(self) -> None:
        """Wait until the bus is stopped. The link delivers events with `dispatch`."""
        await self._stopped.wait()

    async def stop(self) -> None:
        """Ignore further events, wait for running handlers, and cancel handlers that do not end in the grace period.

        Every run is recorded. Listeners stay registered and receive events again when the bus is started again.
        """
        if self._open:
            self._open = False
            await self.roster.stop(self._grace_s)
        self._stopped.set()

    def dispatch(self, event: Event, trigger: EventTrigger | None = None) -> None:
        """Pass an event to the listeners that match it. The link calls this on the event loop.

        This method does not wait for the handlers. If an app that rehearses calls it, only apps that rehearse receive
        the event, because the others would act on it.

        Args:
            event: The event.
            trigger: The form of the event in records. By default, it is made if a listener matches.
        """
        if not self._open:
            return
        if (parent_id := event.context.parent_id) is not None:
            self._causes.link(event.context.id, parent_id)
        if self._watchers and isinstance(event, StateChanged) and not is_rehearsing():
            for watcher in tuple(self._watchers.get(event.entity_id, ())):
                watcher()
        listeners = self._find(event)
        if not listeners and not self._kept:
            return  # most events, so the rest costs nothing for them
        rehearsed = is_rehearsing()
        if rehearsed:
            listeners = tuple([each for each in listeners if is_rehearsing(each.owner)])
        if self._kept:
            for owner, kept in self._kept.items():
                if not rehearsed or is_rehearsing(owner):
                    kept.add(event)
            listeners = tuple([each for each in listeners if each.owner not in self._kept])
        if listeners:
            trigger = trigger or trigger_of(event, self._redact)
            for listener in listeners:
                listener.offer(event, trigger)

    def keep_events(self, app: str, instance: str) -> None:
        """Keep the events for an app instance from now on, because a newer version replaces it.

        Until `pass_kept_events`, its listeners receive no event, and listeners with ``immediate`` do not run.
        """
        self._kept[app, instance] = KeptEvents()
        self.triggers.keep((app, instance))

    def pass_kept_events(self, app: str, instance: str) -> None:
        """Pass the kept events, if there are any, to the listeners that the app instance has now, in order."""
        if (app, instance) not in self._kept:
            return
        self.triggers.release((app, instance))
        kept = self._kept.pop((app, instance))
        kept.log_dropped(app, instance)
        passed_on: dict[object, dict[str, State]] = {listener: {} for listener in kept.immediate}
        for event in kept.events:
            for listener in self._find(event):
                if listener.owner == (app, instance):
                    matched = listener.offer(event, trigger_of(event, self._redact))
                    if matched and listener in passed_on and isinstance(event, StateChanged) and event.new_state:
                        passed_on[listener][event.entity_id] = event.new_state
        for waiting in kept.immediate:
            waiting.catch_up(passed_on[waiting])

    def _find(self, event: Event) -> tuple[EventReceiver, ...]:
        listeners: tuple[EventReceiver, ...] = ()
        if type(event) is TriggerFired:
            return self.triggers.find(event.config)
        if not isinstance(event, StateChanged) or not event.missed or event.differs:
            listeners = self._events.find(event.event_type)
        if isinstance(event, StateChanged):
            of_entity = self._changes.find(event.entity_id)
            # Few apps also listen to all events. So nearly all state changes find a tuple that is sorted already.
            listeners = tuple(sorted(listeners + of_entity, key=order_of)) if listeners else of_entity
        return listeners

    def watch(self, entity_id: str, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call a function of the framework at each change of an entity, before the listeners receive the change.

        The function must be quick and must not raise. In contrast to a listener, it has no runs and no history.

        Args:
            entity_id: The entity.
            watcher: The function.

        Returns:
            A function that ends the calls.
        """
        self._watchers.setdefault(entity_id, []).append(watcher)

        def end() -> None:
            self._watchers[entity_id].remove(watcher)
            if not self._watchers[entity_id]:
                del self._watchers[entity_id]

        return end

    def listen(
        self,
        app: str,
        instance: str,
        handler: Handler,
        source: EventFilter | ChangeFilter | TriggerConfig,
        options: ListenerOptions,
    ) -> Listener:
        """Register a listener. Apps use their `AppBus`.

        Args:
            app: The app's key.
            instance: The app's instance.
            handler: The callable to run.
            source: The events, the state changes or the triggers that lead to a run.
            options: The listener's options.

        Raises:
            RegistrationError: The listener cannot work, or its name is taken. The message explains how to fix it.
        """
        if (where := options.get("where")) is not None:
            options = {**options, "where": as_condition("where", where)}  # once, because a generator is read once
        settings = settings_of(options)
        topic = source.topic
        provides: Provides = "change" if topic == STATE_CHANGED else "event"
        if isinstance(source, ChangeFilter):
            topic, provides = f"{STATE_CHANGED}.{topic}", "change"
        elif isinstance(source, TriggerConfig):
            topic, provides = self._redact(topic), "trigger"
        if not isinstance(source, EventFilter):
            settings = source.settings() + settings
        index, index_key = self._place_of(source)
        fields = registration_fields(app, instance, handler, options, settings, self._redact)
        registration = ListenerRegistration(topic=topic, **fields)
        lane = self.roster.prepare(registration, options.get("mode", DEFAULT_MODE))
        listener = Listener(
            registration,
            lane,
            InjectionPlan(handler, provides, options.get("kwargs")),
            source if isinstance(source, ChangeFilter) else None,
            options,
            events=source if isinstance(source, EventFilter) else None,
            index=index,
            index_key=index_key,
            context=self._context,
        )
        self.roster.add(listener, options.get("on_error"))
        index.add(index_key, listener)
        if isinstance(source, ChangeFilter) and source.immediate and self._open:
            listener.run_with_current_states()
        return listener

    def _place_of(self, source: EventFilter | ChangeFilter | TriggerConfig) -> tuple[ListenerIndex, object]:
        """Return the index for a listener, and its key there."""
        if isinstance(source, ChangeFilter):
            return self._changes, source.entities
        if isinstance(source, TriggerConfig):
            return self.triggers, source
        return self._events, source.event_type

    def emit(self, event_type: str, data: Mapping[str, Any]) -> None:
        """Pass an event of this process to its listeners. May be called in a thread.

        An event of an app that rehearses reaches only apps that rehearse, because the others would act on it. The
        record of the present run contains the call, so that the history can show which run emitted the event.
        """
        clock = self._context.clock
        call = _emitting(event_type, clock.wall_ns() // 1_000)
        context = Context("") if call is None else Context(new_context_id(), call.context_id)
        event = own_event(event_type, data, clock.now(), clock.monotonic_ns(), context)
        trigger = trigger_of(event, self._redact)

        def emit() -> None:
            if call is not None:
                record_service_call(call)
            self._pause_loop(self._causes.add_event(trigger))
            self.dispatch(event, trigger)

        self.roster.call(emit)

    def record_call(self, call: ServiceCall, *, is_cause: bool = False) -> None:
        """Add a service call, or another change of the home, to the record of its run and to the chain of its cause.

        If the history contains the call as a cause (``is_cause``), it is not added to the record of a run.
        """
        if not is_cause:
            record_service_call(call)
        if not call.rehearsed and (call.context_id or call.error is None):
            self._pause_loop(self._causes.add(call.context_id))

    def has_listeners(self, event_type: str) -> bool:
        """Return whether an event of a type has a listener."""
        return bool(self._events.find(event_type))

    def wait_for_event(self, waits: Waits, events: EventFilter, where: Condition | None) -> Waiter:
        """Return a waiter that receives the events of a type from now on."""
        waiter = self._waiter(waits, f"an event {events.topic}", events=events, condition=where, recheck=False)
        waits.join(waiter, self._events, events.event_type)
        return waiter

    def wait_until(self, waits: Waits, condition: Condition) -> Waiter:
        """Return a waiter that checks a condition now, at each change of its entities, and every second."""
        waiter = self._waiter(waits, condition.describe(), events=None, condition=condition, recheck=True)
        waits.join(waiter, self._changes, parse_entities("condition", condition.reads or "*"))
        return waiter

    def _waiter(
        self, waits: Waits, what: str, *, events: EventFilter | None, condition: Condition | None, recheck: bool
    ) -> Waiter:
        context = self._context
        return Waiter(
            waits.actor,
            what,
            events=events,
            condition=condition,
            recheck=recheck,
            order=(0, next(context.numbers)),
            context=context.conditions,
            clock=context.clock,
        )

    def cancel(self, listener: Listener) -> None:
        """End a listener. Runs in progress continue. May be called in a thread.

        Raises:
            RehearsalError: An app that rehearses calls this for a listener of an app that acts.
        """
        check_may_control(listener.owner, f"cancel the listener {listener.registration.name}")
        self.roster.call(listener.cancel)

    def _pause_loop(self, loop: CauseLoop | None) -> None:
        """Pause a listener that triggers itself, log and record it."""
        if loop is None:
            return
        registration, chain, turns, pause_s, caused = loop
        pause = LoopPause(self._context.clock.monotonic_ns() + int(pause_s * 1e9), caused)
        for listener in self.roster.entries_of(registration.app, registration.instance):
            if listener.registration is registration:
                listener.pause(pause)
        names = [f"{each.app}.{each.instance}.{each.name}" for each in chain]
        logger.error(
            "Listener triggers itself again and again; it is paused for events that apps cause",
            extra={"registration": registration.key, "chain": names, "turns": turns, "pause_s": pause_s},
        )
        who = f"{registration.name} triggers itself" if len(chain) == 1 else f"{', '.join(names)} trigger each other"
        self._executor.report(
            "loop_paused",
            f"{registration.app}.{registration.instance}",
            f"{who}: {turns} times within a minute. {registration.name} is paused for {pause_s:g} s for events that"
            " apps cause; other events still lead to runs",
        )

    def resume(self, listener: Listener) -> None:
        """End the pause of a listener that triggered itself. May be called in a thread.

        Raises:
            RehearsalError: As for `cancel`.
        """
        check_may_control(listener.owner, f"resume the listener {listener.registration.name}")
        self.roster.call(listener.resume)

    def cancel_all(self, app: str, instance: str) -> None:
        """End all listeners of one app instance. Runs in progress continue. May be called in a thread.

        Raises:
            RehearsalError: As for `cancel`.
        """
        check_may_control((app, instance), "cancel the listeners")
        self.roster.call(lambda: self.roster.end(self.roster.entries_of(app, instance), Listener.end))


def _emitting(event_type: str, at_us: int) -> ServiceCall | None:
    """Return the record of the emission of an event; None outside a run in progress."""
    if not is_in_run():
        return None
    data = json.dumps({"event_type": event_type}, separators=(",", ":"), ensure_ascii=False)
    return ServiceCall(at_us, "bus", "emit", "", data, 0, new_context_id(), None)
