"""`AppBus`: the bus as one app instance sees it, ``self.bus``."""

from collections.abc import Callable
from typing import Any

from hassette_core.bus.conditions import Change, Expected, Where, describe_expected, expectation
from hassette_core.bus.options import ListenerOptions
from hassette_core.bus.service import BusService
from hassette_core.bus.subscription import Subscription
from hassette_core.bus.topics import check_entity, check_event_type
from hassette_core.errors import RegistrationError
from hassette_core.handlers import Duration, Mode
from hassette_executor import ErrorHook

Handler = Callable[..., Any]
"""Async (it runs on the event loop) or sync (it runs in a thread); see `hassette_core.handlers.parameters`."""


class AppBus:
    """Registers listeners for one app instance.

    Args:
        service: The bus.
        app: The app's key.
        instance: The instance's name.
    """

    def __init__(self, service: BusService, app: str, instance: str) -> None:
        self._service = service
        self._app = app
        self._instance = instance

    def on_state_change(
        self,
        entity_id: str,
        *,
        handler: Handler,
        changed_from: Expected = None,
        changed_to: Expected = None,
        attributes: bool = False,
        where: Where | None = None,
        duration: Duration | None = None,
        debounce: Duration | None = None,
        throttle: Duration | None = None,
        once: bool = False,
        mode: Mode = "parallel",
        timeout: Duration | None = None,
        on_error: ErrorHook | None = None,
        name: str | None = None,
    ) -> Subscription:
        """Run a handler when the state of an entity changes.

        Only real changes count: the state's text is another one than before. That an entity appears (it had no
        state) or is removed (it has none) is a change, too.

        Args:
            entity_id: An entity id, or a glob such as ``light.*`` or ``*.kitchen_*``; ``*`` for all.
            handler: What to run. Its parameters are provided by their annotations
                (`hassette_core.handlers.parameters`).
            changed_from: The state before: a text, a collection of texts, or a function that is given the text. An
                entity without a state before does not pass.
            changed_to: The state after, likewise.
            attributes: True to run also when only attributes have changed.
            where: A function of the event; a true answer runs the handler. If it raises, this listener passes the
                event over (counted as ``predicate_failed``) and goes on listening; others are not affected.
            duration: Seconds for which the entity must stay so: with ``changed_to`` as long as it is met, else as
                long as the state is the same. Each entity of a glob for itself.
            debounce: Run with the last event, once there has been none for so many seconds; one quiet time for all
                entities of a glob. Events replaced are counted as ``rate_limited``.
            throttle: Run at once, then not again for so many seconds. Events in between are counted as
                ``rate_limited``.
            once: True to run one time only; the listener ends before that run begins.
            mode: What to do with an event while the handler still runs. ``parallel``: run beside it (up to 50 at
                once, 1,000 waiting), so that no event is lost, which is what one expects of a function that is called
                for each event. ``single``: pass it over, counted as ``overlap`` (the default of Home Assistant's
                automations). ``restart``: cancel what runs, recorded as cancelled, then run. ``queued``: run after
                it, in order (1,000 waiting). Beyond those bounds events are counted as ``back_pressure``.
            timeout: Deadline of one run in seconds; None for the configured default, 0 for none.
            on_error: What to call when a run fails, instead of the app's ``on_error``.
            name: The listener's name in the history; the handler's name by default.

        Raises:
            RegistrationError: Something here can never work, or the name is taken; the message proposes what would.
        """
        change = Change(
            also_attributes=attributes,
            before=expectation("changed_from", changed_from, texts_only=True),
            after=expectation("changed_to", changed_to, texts_only=True),
        )
        settings = _expected(changed_from, changed_to)
        if attributes:
            settings += (("attributes", "yes"),)
        options = ListenerOptions(
            where=where,
            duration=duration,
            debounce=debounce,
            throttle=throttle,
            once=once,
            mode=mode,
            timeout=timeout,
            on_error=on_error,
            name=name,
        )
        return self._listen(check_entity(entity_id), handler, change, options, settings)

    def on_attribute_change(
        self,
        entity_id: str,
        attribute: str,
        *,
        handler: Handler,
        changed_from: Expected = None,
        changed_to: Expected = None,
        where: Where | None = None,
        duration: Duration | None = None,
        debounce: Duration | None = None,
        throttle: Duration | None = None,
        once: bool = False,
        mode: Mode = "parallel",
        timeout: Duration | None = None,
        on_error: ErrorHook | None = None,
        name: str | None = None,
    ) -> Subscription:
        """Run a handler when one attribute of an entity changes, such as a lamp's ``brightness``.

        All is as in `on_state_change`, with the attribute's value in place of the state.

        Raises:
            RegistrationError: Something here can never work, or the name is taken; the message proposes what would.
        """
        if not isinstance(attribute, str) or not attribute:  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not all checked
            raise RegistrationError(f"attribute={attribute!r} must be the name of one attribute, such as 'brightness'")
        change = Change(
            attribute=attribute,
            before=expectation("changed_from", changed_from, texts_only=False),
            after=expectation("changed_to", changed_to, texts_only=False),
        )
        options = ListenerOptions(
            where=where,
            duration=duration,
            debounce=debounce,
            throttle=throttle,
            once=once,
            mode=mode,
            timeout=timeout,
            on_error=on_error,
            name=name,
        )
        return self._listen(check_entity(entity_id), handler, change, options, _expected(changed_from, changed_to))

    def on(
        self,
        event_type: str,
        *,
        handler: Handler,
        where: Where | None = None,
        debounce: Duration | None = None,
        throttle: Duration | None = None,
        once: bool = False,
        mode: Mode = "parallel",
        timeout: Duration | None = None,
        on_error: ErrorHook | None = None,
        name: str | None = None,
    ) -> Subscription:
        """Run a handler on every event of a type.

        Args:
            event_type: Such as ``call_service``, or a glob such as ``mobile_app_*``; ``*`` for all. ``state_changed``
                brings every message about any entity, also when nothing but an attribute or a time stamp has changed.
            handler: What to run.
            where: As in `on_state_change`, and so are all the others.
            debounce: See there.
            throttle: See there.
            once: See there.
            mode: See there.
            timeout: See there.
            on_error: See there.
            name: See there.

        Raises:
            RegistrationError: Something here can never work, or the name is taken; the message proposes what would.
        """
        options = ListenerOptions(
            where=where,
            debounce=debounce,
            throttle=throttle,
            once=once,
            mode=mode,
            timeout=timeout,
            on_error=on_error,
            name=name,
        )
        return self._listen(check_event_type(event_type), handler, None, options, ())

    def cancel_all(self) -> None:
        """Cancel every listener of this app instance."""
        self._service.cancel_all(self._app, self._instance)

    def _listen(
        self,
        topic: str,
        handler: Handler,
        change: Change | None,
        options: ListenerOptions,
        settings: tuple[tuple[str, str], ...],
    ) -> Subscription:
        listener = self._service.listen(self._app, self._instance, topic, handler, change, options, settings)
        return Subscription(listener, cancel=self._service.cancel)


def _expected(changed_from: Expected, changed_to: Expected) -> tuple[tuple[str, str], ...]:
    pairs = (("changed_from", changed_from), ("changed_to", changed_to))
    return tuple((option, describe_expected(expected)) for option, expected in pairs if expected is not None)
