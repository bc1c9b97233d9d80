"""`BusService`: brings each event to the listeners that match, and to no other."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hassette_core.bus.conditions import Change
from hassette_core.bus.limits import Delivery
from hassette_core.bus.listener import Listener
from hassette_core.bus.options import ListenerOptions
from hassette_core.bus.topics import TopicIndex, any_group, domain_of
from hassette_core.clock import Clock, SystemClock
from hassette_core.errors import RegistrationError
from hassette_core.events import Event, State, StateChanged
from hassette_core.handlers import InjectionPlan, Lane, OwnedTasks, OwnLoop, describe_callable
from hassette_executor import CommandExecutor, EventTrigger, InvokeHandler, ListenerRegistration, RepeatedLog

logger = logging.getLogger(__name__)

STATE_CHANGED = "state_changed"
WARN_INTERVAL_S = 60.0
"""A listener whose question keeps raising is warned about once in this many seconds."""

_Key = tuple[str, str, str, str]


class BusService:
    """Topics, and who listens to them. A Service by shape: `start`, `serve`, `stop`; also ``async with``.

    Args:
        executor: Runs the handlers.
        states: What all entities are now; kept current by the link, before listeners hear of a change.
        clock: Time; the machine's by default.
        grace_s: How long running handlers may take to end when the bus stops; then they are cancelled.
        redact: Masks secrets in what is recorded: a listener may wait for an alarm code, a keypad may report one.

    Attributes:
        name: ``"bus"``.
        retires: Whether a listener that ends is retired. False while all apps stop:
            what ends then is there again next time.
    """

    name = "bus"

    def __init__(
        self,
        executor: CommandExecutor,
        *,
        states: Mapping[str, State],
        clock: Clock | None = None,
        grace_s: float = 5.0,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._executor = executor
        self._redact = redact
        self._states = states
        self._clock = clock or SystemClock()
        self._grace_s = grace_s
        self._changes: TopicIndex[Listener] = TopicIndex(domain_of)
        self._events: TopicIndex[Listener] = TopicIndex(any_group)
        self._listeners: dict[_Key, Listener] = {}
        self._tasks = OwnedTasks()
        self._loop = OwnLoop()
        self._predicate_log = RepeatedLog(logger, WARN_INTERVAL_S, self._clock.monotonic_ns)
        self.retires = True
        self._open = False
        self._stopped = asyncio.Event()

    # ---- lifecycle --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to hear events. Listeners may be registered before."""
        self._loop.take()
        self._open = True
        self._stopped.clear()

    async def serve(self) -> None:
        """Wait until the bus is stopped: events are brought by whoever calls `dispatch`."""
        await self._stopped.wait()

    async def stop(self) -> None:
        """Hear no more, wait for the running handlers, and cancel those that exceed the grace; each is recorded.

        Listeners stay registered: a bus that is started again goes on with them.
        """
        if self._open:
            self._open = False
            for listener in list(self._listeners.values()):
                listener.pause()
            cancelled = await self._tasks.stop(self._grace_s)
            if cancelled:
                logger.warning(
                    "Handlers were cancelled because the bus stops",
                    extra={"cancelled": cancelled, "grace_s": self._grace_s},
                )
        self._stopped.set()

    async def __aenter__(self) -> "BusService":
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    # ---- events -----------------------------------------------------------------------------------------------

    def dispatch(self, event: Event) -> None:
        """Bring an event to the listeners that match. Called on the event loop; does not wait for them."""
        if not self._open:
            return
        listeners = self._events.find(event.event_type)
        if isinstance(event, StateChanged):
            listeners += self._changes.find(event.entity_id)
        if listeners:
            trigger = trigger_of(event, self._redact)
            for listener in listeners:
                listener.offer(event, trigger)

    async def _dispatch(self, listener: Listener, delivery: Delivery) -> None:
        await self._executor.execute(
            InvokeHandler(
                registration=listener.registration,
                call=listener.plan.bind(delivery.event),
                trigger=delivery.trigger,
                ready_ns=delivery.ready_ns,
            )
        )

    # ---- listeners --------------------------------------------------------------------------------------------

    def listen(
        self,
        app: str,
        instance: str,
        topic: str,
        handler: Callable[..., Any],
        change: Change | None,
        options: ListenerOptions,
        settings: tuple[tuple[str, str], ...] = (),
    ) -> Listener:
        """Register a listener; apps do so through their `AppBus`.

        Args:
            app: Whose it is.
            instance: Which instance of that app.
            topic: An event type or glob; with ``change``: an entity id or glob.
            handler: What to run.
            change: Which changes of state; None for events of any kind.
            options: What else is asked for.
            settings: What is recorded about it before the options.

        Raises:
            RegistrationError: It cannot work, or its name is taken; the message says what would do.
        """
        options.check()
        described = describe_callable("handler", handler)
        provides = "change" if change is not None or topic == STATE_CHANGED else "event"
        registration = ListenerRegistration(
            app=app,
            instance=instance,
            name=options.name or described.name,
            topic=_topic(topic, change),
            handler=described.qualified,
            settings=tuple((key, self._redact(text)) for key, text in settings + options.settings()),
            source=described.source,
            runs_in=described.runs_in,
            timeout_s=options.timeout_s,
        )
        self._loop.check(f"the listener {registration.name!r}")
        self._check_free(registration)

        def skipped(reason: str, count: int) -> None:
            self._executor.count_skip(registration, reason, count)

        def drained() -> None:
            if self.retires:
                self._executor.retire(registration)

        def run(delivery: Delivery) -> Any:
            return self._dispatch(listener, delivery)

        def withdraw(listener: Listener) -> None:
            index.remove(topic, listener)
            del self._listeners[registration.key]

        index = self._events if change is None else self._changes
        listener = Listener(
            registration,
            InjectionPlan(handler, provides),
            change,
            options,
            Lane(options.mode, self._tasks, run, skipped, drained),
            self._clock,
            self._states,
            withdraw=withdraw,
            skipped=skipped,
            failed=self._predicate_failed,
        )
        self._executor.register(registration)
        if options.on_error is not None:
            self._executor.hooks.set(options.on_error, registration=registration)
        self._listeners[registration.key] = listener
        index.add(topic, listener)
        return listener

    def cancel(self, listener: Listener) -> None:
        """End a listener; a run that has begun goes on. May be called in a thread."""
        self._loop.call(listener.cancel)

    def cancel_all(self, app: str, instance: str) -> None:
        """End every listener of one app instance. May be called in a thread."""
        self._loop.call(partial(self._cancel_all, app, instance))

    def _cancel_all(self, app: str, instance: str) -> None:
        for listener in self.listeners(app, instance):
            listener.cancel()

    def listeners(self, app: str, instance: str) -> tuple[Listener, ...]:
        """Return the listeners of one app instance."""
        return tuple(
            listener
            for listener in self._listeners.values()
            if (listener.registration.app, listener.registration.instance) == (app, instance)
        )

    def _check_free(self, registration: ListenerRegistration) -> None:
        if registration.key not in self._listeners:
            return
        app, instance, name, topic = registration.key
        number = 2
        while (app, instance, f"{name}_{number}", topic) in self._listeners:
            number += 1
        raise RegistrationError(
            f"{app}.{instance} has a listener named {name!r} on {topic} already; its history is found by that name, so"
            f' give this one another: name="{name}_{number}"'
        )

    def _predicate_failed(self, listener: Listener, error: Exception) -> None:
        self._executor.count_skip(listener.registration, "predicate_failed")
        self._predicate_log.log(
            listener.registration.key,
            logging.WARNING,
            "A listener's predicate raised; the event is passed over, the listener stays",
            extra={"registration": listener.registration.key, "error": f"{type(error).__name__}: {error}"},
        )


def trigger_of(event: Event, redact: Callable[[str], str] = str) -> EventTrigger:
    """Return what the record says about the event that caused a run."""
    context = event.context
    if isinstance(event, StateChanged):
        entity_id: object = event.entity_id
        old = None if event.old_state is None else redact(event.old_state.state)
        new = None if event.new_state is None else redact(event.new_state.state)
    else:
        entity_id, old, new = event.data.get("entity_id"), None, None
    return EventTrigger(
        event.event_type,
        entity_id if isinstance(entity_id, str) else None,
        old,
        new,
        context.id,
        context.parent_id,
        context.user_id,
    )


def _topic(topic: str, change: Change | None) -> str:
    if change is None:
        return topic
    return f"{STATE_CHANGED}.{topic}" if change.attribute is None else f"{STATE_CHANGED}.{topic}.{change.attribute}"
