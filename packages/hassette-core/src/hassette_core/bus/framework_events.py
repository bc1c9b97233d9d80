"""`FrameworkEvents`: the methods of `AppBus` for events of the framework, of its apps, and of Home Assistant itself."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Unpack

from hassette_core.bus.change_filter import ChangeFilter
from hassette_core.bus.event_filter import (
    EventFilter,
    TextCheck,
    check_any,
    check_app,
    check_domain,
    check_service,
    optional_texts,
)
from hassette_core.bus.options import ListenerOptions
from hassette_core.bus.subscription import Subscription
from hassette_core.errors import RegistrationError
from hassette_core.handlers import Handler, checked_flag, keyword_options

Names = str | Iterable[str]
"""A text or a glob, or several of these."""


class FrameworkEvents(ABC):
    """Registers listeners to events of the framework. `AppBus` is the only subclass.

    The types of these events start with ``hassette_``. `AppBus.on_event` also receives them.

    Args:
        app: The app's key.
    """

    def __init__(self, app: str) -> None:
        self._app = app

    @keyword_options
    def on_call_service(
        self,
        handler: Handler,
        /,
        domain: Names | None = None,
        service: Names | None = None,
        **options: Unpack[ListenerOptions],
    ) -> Subscription:
        """Run a handler when a user, an automation or an app calls a service, before Home Assistant carries it out.

        Example:
            ::

                self.bus.on_call_service(self.light_called, "light", ["turn_on", "toggle"])

        Args:
            handler: The callable to run, as in `on_state_change`. ``event.data`` contains ``domain``, ``service`` and
                ``service_data``.
            domain: The domain of the service, such as ``light``; a glob, or several. None for all domains.
            service: The service, such as ``turn_on``; a glob, or several. None for all services.
            **options: The options of every listener, `ListenerOptions`.

        Returns:
            The subscription. `Subscription.cancel` ends the listener.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._on(
            "call_service",
            handler,
            options,
            domain=(domain, "light", check_domain),
            service=(service, "turn_on", check_service),
        )

    @keyword_options
    def on_homeassistant_start(self, handler: Handler, /, **options: Unpack[ListenerOptions]) -> Subscription:
        """Run a handler each time that Home Assistant has started again.

        The handler also runs if Home Assistant was restarted while there was no connection. All states are current, and
        the missed changes have been passed on.

        Args:
            handler: The callable to run, as in `on_event`. ``event.data`` contains ``version``.
            **options: The options of every listener, `ListenerOptions`.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread.
        """
        return self._on("hassette_homeassistant_started", handler, options)

    @keyword_options
    def on_homeassistant_stop(self, handler: Handler, /, **options: Unpack[ListenerOptions]) -> Subscription:
        """Run a handler when Home Assistant stops: once before each start of `on_homeassistant_start`.

        If Home Assistant does not announce its stop, for example because it is killed, the handler runs when the
        restart is noticed. ``event.data["late"]`` is then True.

        Args:
            handler: The callable to run, as in `on_event`. A service call may fail, because the connection ends.
            **options: The options of every listener, `ListenerOptions`.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread.
        """
        return self._on("hassette_homeassistant_stopped", handler, options)

    @keyword_options
    def on_connection_lost(self, handler: Handler, /, **options: Unpack[ListenerOptions]) -> Subscription:
        """Run a handler when the connection to Home Assistant is lost.

        Args:
            handler: The callable to run, as in `on_event`. ``event.data["detail"]`` contains the cause.
            **options: The options of every listener, `ListenerOptions`.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread.
        """
        return self._on("hassette_connection_lost", handler, options)

    @keyword_options
    def on_connection_restored(self, handler: Handler, /, **options: Unpack[ListenerOptions]) -> Subscription:
        """Run a handler when the connection to Home Assistant is back, and the missed changes have been passed on.

        Args:
            handler: The callable to run, as in `on_event`. ``event.data["detail"]`` describes the interruption.
            **options: The options of every listener, `ListenerOptions`.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread.
        """
        return self._on("hassette_connection_restored", handler, options)

    @keyword_options
    def on_app_started(
        self, handler: Handler, /, app: Names | None = None, **options: Unpack[ListenerOptions]
    ) -> Subscription:
        """Run a handler when an instance of an app has started.

        Args:
            handler: The callable to run, as in `on_event`. ``event.data`` contains ``app``, ``instance`` and
                ``detail``.
            app: The key of the app, a glob, or several; None for all apps.
            **options: The options of every listener, `ListenerOptions`.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread.
        """
        return self._on("hassette_app_started", handler, options, app=(app, "alarm", check_app))

    @keyword_options
    def on_app_failed(
        self, handler: Handler, /, app: Names | None = None, **options: Unpack[ListenerOptions]
    ) -> Subscription:
        """Run a handler when an instance of an app has failed to start. All else is as in `on_app_started`.

        Args:
            handler: The callable to run. ``event.data["detail"]`` contains the reason.
            app: The key of the app, a glob, or several; None for all apps.
            **options: The options of every listener, `ListenerOptions`.
        """
        return self._on("hassette_app_failed", handler, options, app=(app, "alarm", check_app))

    @keyword_options
    def on_app_stopped(
        self, handler: Handler, /, app: Names | None = None, **options: Unpack[ListenerOptions]
    ) -> Subscription:
        """Run a handler when an instance of an app has stopped. All else is as in `on_app_started`.

        Args:
            handler: The callable to run.
            app: The key of the app, a glob, or several; None for all apps.
            **options: The options of every listener, `ListenerOptions`.
        """
        return self._on("hassette_app_stopped", handler, options, app=(app, "alarm", check_app))

    @keyword_options
    def on_app_reloaded(
        self, handler: Handler, /, app: Names | None = None, **options: Unpack[ListenerOptions]
    ) -> Subscription:
        """Run a handler when an app has been reloaded. All else is as in `on_app_started`.

        Args:
            handler: The callable to run.
            app: The key of the app, a glob, or several; None for all apps.
            **options: The options of every listener, `ListenerOptions`.
        """
        return self._on("hassette_app_reloaded", handler, options, app=(app, "alarm", check_app))

    @keyword_options
    def on_app_error(
        self,
        handler: Handler,
        /,
        app: Names | None = None,
        *,
        include_own: bool = False,
        **options: Unpack[ListenerOptions],
    ) -> Subscription:
        """Run a handler when a run of another app has failed.

        A failure of such a handler is no event for any app, so that watching apps cannot start each other for ever. For
        the failures of the app itself, use `App.on_error`.

        Example:
            ::

                self.bus.on_app_error(self.notify, throttle=60)

                async def notify(self, event: Event) -> None:
                    self.logger.warning("App failed", extra={"app": event.data["app"], "error": event.data["error"]})

        Args:
            handler: The callable to run, as in `on_event`. ``event.data`` contains ``app``, ``instance``, ``handler``,
                ``kind`` (``listener`` or ``job``), ``status`` (``error`` or ``timed_out``), ``error`` and ``run_id``.
            app: The key of the app, a glob, or several; None for all apps.
            include_own: True also runs the handler for failures of the app itself.
            **options: The options of every listener, `ListenerOptions`.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread.
        """
        not_app = None if checked_flag("include_own", include_own) else self._app
        return self._on("hassette_app_error", handler, options, not_app, app=(app, "alarm", check_app))

    @keyword_options
    def on_service_degraded(
        self, handler: Handler, /, service: Names | None = None, **options: Unpack[ListenerOptions]
    ) -> Subscription:
        """Run a handler when a service of the framework, such as the database, does not work or works only in part.

        Args:
            handler: The callable to run, as in `on_event`. ``event.data`` contains ``service`` and ``detail``.
            service: The name of the service, such as ``database``, a glob, or several; None for all services.
            **options: The options of every listener, `ListenerOptions`.

        Raises:
            RegistrationError: The listener cannot work, its name is taken, or the caller runs in a thread.
        """
        return self._on("hassette_service_degraded", handler, options, service=(service, "database", check_any))

    def _on(
        self,
        event_type: str,
        handler: Handler,
        options: ListenerOptions,
        not_app: str | None = None,
        **fields: tuple[Names | None, str, TextCheck],
    ) -> Subscription:
        """Listen to events whose data has given texts. Each field has the accepted texts, an example and a check."""
        checked = ((key, optional_texts(key, *value)) for key, value in fields.items())
        accepted = tuple((key, texts) for key, texts in checked if texts is not None)
        if any(key == "app" and texts.values == (not_app,) for key, texts in accepted):
            raise RegistrationError(
                f"app must be another app, got {not_app!r}, whose failures are left out; pass include_own=True, or use"
                " the method on_error of the app"
            )
        return self._listen(handler, EventFilter(event_type=event_type, fields=accepted, not_app=not_app), options)

    @abstractmethod
    def _listen(self, handler: Handler, source: EventFilter | ChangeFilter, options: ListenerOptions) -> Subscription:
        """Register a listener."""
