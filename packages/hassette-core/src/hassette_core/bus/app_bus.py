"""`AppBus`: the bus of one app instance, ``self.bus``."""

import asyncio
from collections.abc import Mapping
from typing import Any, Unpack

from hassette_core.app_component import AppComponent
from hassette_core.bus.change_filter import ChangeFilter
from hassette_core.bus.event_filter import EventFilter
from hassette_core.bus.framework_events import FrameworkEvents
from hassette_core.bus.listener import Listener
from hassette_core.bus.options import ListenerOptions, TriggerOptions
from hassette_core.bus.service import BusService
from hassette_core.bus.subscription import Subscription
from hassette_core.bus.topics import check_event_type
from hassette_core.bus.trigger_config import TriggerArgument, TriggerConfig, parse_trigger_config
from hassette_core.bus.waiters import Waits
from hassette_core.conditions import (
    Condition,
    Expected,
    Where,
    as_condition,
    attribute_condition,
    check_attribute,
    state_condition_of,
)
from hassette_core.containment import check_own_registration
from hassette_core.copies import copied_option
from hassette_core.entities import EntityArgument, is_glob, parse_entities
from hassette_core.errors import RegistrationError
from hassette_core.events import Event
from hassette_core.handlers import Duration, Handler, check_kwargs, checked_flag, keyword_options, optional_seconds
from hassette_core.unawaited import reports_unawaited


@reports_unawaited("bus")
class AppBus(FrameworkEvents, AppComponent, attribute="bus"):
    """Registers the listeners of one app instance. Each method takes the handler first and returns a `Subscription`.

    Listeners end when the app instance stops. A plain ``def`` handler runs in a thread and cannot register listeners.

    Example:
        ::

            self.bus.on_state_change(self.on_motion, "binary_sensor.hall", changed_to="on")

    Args:
        service: The bus of the framework.
        app: The app's key.
        instance: The app's instance.
    """

    def __init__(self, service: BusService, app: str, instance: str) -> None:
        super().__init__(app)
        self._service = service
        self._instance = instance
        self._ended = False
        self._waits = Waits(app, instance)

    @keyword_options
    def on_state_change(
        self,
        handler: Handler,
        /,
        entity_id: EntityArgument,
        *,
        changed_from: Expected = None,
        changed_to: Expected = None,
        include_attributes: bool = False,
        duration: Duration | None = None,
        immediate: bool = False,
        **options: Unpack[ListenerOptions],
    ) -> Subscription:
        """Run a handler when the state of an entity changes.

        The handler runs when the state string changes, and when the entity is added or removed.

        Example:
            Warn when a door stays open for five minutes::

                self.bus.on_state_change(self.warn, "binary_sensor.*_door", changed_to="on", duration=300)

        Args:
            handler: The callable to run: an ``async def``, or a plain ``def``, which runs in a thread. The annotations
                of its parameters select the values that it receives: `Event`, `StateChanged`, `EntityId`, `NewState`,
                `OldState`, `NewValue`, `OldValue`, `Attr`, `Data`.
            entity_id: An entity id, a glob such as ``light.*`` or ``*.kitchen_*``, a selection such as the lights of an
                area, or several of these. ``*`` stands for all entities. All options apply to all entities together,
                except ``duration``. An entity that is named twice leads to one run.
            changed_from: The state before the change: a string, a collection of strings, or a function that receives
                the string. A change that adds the entity does not match, because there was no state before.
            changed_to: The state after the change: a string, a collection of strings, or a function that receives the
                string. A change that removes the entity does not match.
            include_attributes: True also runs the handler when attributes have changed but the state string has not.
            duration: Seconds (or a timedelta) for which the change must last before the handler runs. With
                ``changed_to``, the change lasts while the state meets that condition. Without ``changed_to``, it lasts
                while the state string stays the same. Each entity is timed separately.
            immediate: True also runs the handler now, for each entity whose state meets ``changed_to``. The event then
                has no old state, and ``event.immediate`` is True. ``changed_from`` does not apply to this run. With
                ``duration``, the time since the last change (``last_changed``) counts.
            **options: The options of every listener, `ListenerOptions`.

        Returns:
            The subscription. `Subscription.cancel` ends the listener.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        entities = parse_entities("entity_id", entity_id)
        change = ChangeFilter(
            entities=entities,
            include_attributes=checked_flag("include_attributes", include_attributes),
            changed_from=state_condition_of(entities, "changed_from", changed_from),
            changed_to=state_condition_of(entities, "changed_to", changed_to),
            duration_s=optional_seconds("duration", duration),
            immediate=checked_flag("immediate", immediate),
        )
        return self._listen(handler, change, options)

    @keyword_options
    def on_attribute_change(
        self,
        handler: Handler,
        /,
        entity_id: EntityArgument,
        attribute: str,
        *,
        changed_from: Expected = None,
        changed_to: Expected = None,
        duration: Duration | None = None,
        immediate: bool = False,
        **options: Unpack[ListenerOptions],
    ) -> Subscription:
        """Run a handler when one attribute of an entity changes.

        Example:
            ::

                self.bus.on_attribute_change(self.dimmed, "light.hall", "brightness", changed_to=lambda b: b < 50)

        Args:
            handler: The callable to run, as in `on_state_change`.
            entity_id: The entities, as in `on_state_change`.
            attribute: The name of the attribute, such as ``brightness``.
            changed_from: The attribute before the change: a value, a collection of values, or a function that receives
                the value. Values are compared with ``==``. If the attribute is a list, a list or tuple is compared with
                the whole attribute: ``(255, 0, 0)`` matches the colour ``[255, 0, 0]``, and ``[(255, 0, 0), (0, 0,
                255)]`` matches two colours. A missing attribute does not match.
            changed_to: The attribute after the change: a value, a collection of values, or a function, as in
                ``changed_from``.
            duration: Seconds (or a timedelta) for which the change must last before the handler runs, as in
                `on_state_change`.
            immediate: True also runs the handler now, for each entity whose attribute meets ``changed_to``, as in
                `on_state_change`. With ``duration``, the time since the last change of the state or of any
                attribute (``last_updated``) counts.
            **options: The options of every listener, `ListenerOptions`.

        Returns:
            The subscription. `Subscription.cancel` ends the listener.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        change = ChangeFilter(
            entities=parse_entities("entity_id", entity_id),
            attribute=check_attribute(attribute),
            changed_from=attribute_condition("changed_from", changed_from),
            changed_to=attribute_condition("changed_to", changed_to),
            duration_s=optional_seconds("duration", duration),
            immediate=checked_flag("immediate", immediate),
        )
        return self._listen(handler, change, options)

    @keyword_options
    def on_event(self, handler: Handler, /, event_type: str, **options: Unpack[ListenerOptions]) -> Subscription:
        """Run a handler on every event of a type.

        Example:
            ::

                self.bus.on_event(self.pressed, "zha_event", where=lambda event: event.data["command"] == "toggle")

        Args:
            handler: The callable to run, as in `on_state_change`.
            event_type: An event type such as ``call_service``, or a glob such as ``mobile_app_*``; ``*`` for all event
                types. Spaces and capital letters are allowed, as in Home Assistant. With ``state_changed``, the handler
                runs for every change of every entity, even when only an attribute or a time stamp has changed.
            **options: The options of every listener, `ListenerOptions`.

        Returns:
            The subscription. `Subscription.cancel` ends the listener.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._listen(handler, EventFilter(event_type=check_event_type(event_type)), options)

    @keyword_options
    async def on_trigger(
        self, handler: Handler, /, config: TriggerArgument, **options: Unpack[TriggerOptions]
    ) -> Subscription:
        """Run a handler when a trigger of Home Assistant fires, such as a web hook or an MQTT message.

        Home Assistant checks the configuration, so ``await`` the call; in a `SyncApp`, the call blocks. If there is no
        connection, the method returns at once, and Home Assistant checks the configuration after the reconnect. The
        registration then shows whether Home Assistant has accepted it. After each reconnect, the bus subscribes
        again. Firings during an interruption are lost.

        If an integration of the triggers is not loaded in Home Assistant, such as ``mqtt``, a warning is logged, and
        the triggers can fire once the integration is loaded.

        Example:
            ::

                await self.bus.on_trigger(self.on_message, {"trigger": "mqtt", "topic": "zigbee2mqtt/button"})
                await self.bus.on_trigger(self.on_call, {"trigger": "webhook", "webhook_id": self.config.webhook_id})

        Args:
            handler: The callable to run, as in `on_state_change`. A parameter ``event: TriggerFired`` receives the
                firing, and ``Annotated[str, Data("payload")]`` one of its values.
            config: The configuration of a trigger, as in Home Assistant's automations, or a list of these. It is
                copied. Templates are texts.
            **options: The options of the listener, `TriggerOptions`.

        Returns:
            The subscription. `Subscription.cancel` ends the listener.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or Home Assistant refuses the configuration.
                The message explains how to fix it.
        """
        source = parse_trigger_config(config)
        listener = self._register(handler, source, {**options})
        try:
            await self._service.triggers.confirm(listener, source)
        except BaseException:  # also if the app is cancelled meanwhile
            self._service.cancel(listener)
            raise
        return Subscription(listener, self._service)

    def emit(self, event_type: str, data: Mapping[str, Any] | None = None) -> None:
        """Pass an event to the listeners of all apps, without Home Assistant. May be called in a thread.

        Listeners registered with `on_event` receive it. To fire an event in Home Assistant, use `Api.fire_event`.

        Example:
            ::

                self.bus.emit("alarm_armed", {"by": "keypad"})

        Args:
            event_type: The type: any type except ``state_changed`` and those of the framework (``hassette_…``).
            data: The data of the event. Its lists, tables and sets are copied, so a later change of them has no effect.
                All listeners share the copy, so they must not change it. Other objects are not copied.

        Raises:
            RegistrationError: The type or the data cannot work.
        """
        check_event_type(event_type)
        if is_glob(event_type) or event_type == "state_changed" or event_type.startswith("hassette_"):
            raise RegistrationError(
                f"event_type must be a type without wildcards, and not state_changed or hassette_…, got {event_type!r}"
            )
        check_kwargs("data", {} if data is None else data)
        self._service.emit(event_type, copied_option("data", data or {}))

    async def wait_for(
        self, what: str | Condition, *, where: Where | None = None, timeout: Duration | None = None
    ) -> Event | None:
        """Wait for an event, or until a condition holds. The wait is not a run, so it is not in the history.

        Example:
            ::

                await self.api.call_service("lock", "lock", target="lock.front")
                await self.bus.wait_for(state_is("lock.front", "locked"), timeout=10)
                answer = await self.bus.wait_for("mobile_app_notification_action", timeout=60)

        Args:
            what: An event type or glob, or a condition. If the condition already holds, the method returns at once. A
                condition is checked at each change of its entities, and every second.
            where: For an event type: a condition or function that must hold for the event.
            timeout: Seconds (or a timedelta) to wait; None for any time.

        Returns:
            The event. None if a condition holds without an event.

        Raises:
            WaitTimeoutError: The timeout has passed. It is also a `TimeoutError`.
            RegistrationError: An argument cannot work.
            asyncio.CancelledError: The app instance has ended before or during the wait.
            Exception: The exception that a condition has raised.
        """
        if self._ended:
            # A running handler gets a grace period at the end. If its wait failed, each stop would record an error.
            raise asyncio.CancelledError(f"{self._app}.{self._instance} has ended")
        timeout_s = optional_seconds("timeout", timeout)
        if isinstance(what, type):  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not all checked
            name = what.__name__
            raise RegistrationError(f"what must be a condition or an event type, got the class {name}; write {name}(…)")
        if isinstance(what, Condition):
            if where is not None:
                raise RegistrationError("where is for an event type; combine the condition with & in place of it")
            if what.needs_event:
                raise RegistrationError(f"what must be a condition that needs no event, got {what.describe()!r}")
            waiter = self._service.wait_until(self._waits, what)
        else:
            events = EventFilter(event_type=check_event_type(what))
            condition = None if where is None else as_condition("where", where)
            waiter = self._service.wait_for_event(self._waits, events, condition)
        try:
            return await waiter.wait(timeout_s)
        finally:
            self._waits.leave(waiter)

    def cancel_all(self) -> None:
        """Cancel every listener of this app instance. Runs that have started continue. May be called in a thread."""
        self._service.cancel_all(self._app, self._instance)

    def end(self) -> None:
        """Cancel every listener and wait, and refuse further listeners. The framework calls this at the end."""
        self._ended = True
        self.cancel_all()
        self._waits.cancel_all()

    def _listen(self, handler: Handler, source: EventFilter | ChangeFilter, options: ListenerOptions) -> Subscription:
        return Subscription(self._register(handler, source, options), self._service)

    def _register(
        self, handler: Handler, source: EventFilter | ChangeFilter | TriggerConfig, options: ListenerOptions
    ) -> Listener:
        self._check_not_ended("register a listener")
        check_own_registration((self._app, self._instance))
        return self._service.listen(self._app, self._instance, handler, source, options)

    def _check_not_ended(self, purpose: str) -> None:
        if self._ended:
            raise RegistrationError(
                f"{self._app}.{self._instance} has ended, so it cannot {purpose}; end the tasks of the app in"
                " on_shutdown"
            )
