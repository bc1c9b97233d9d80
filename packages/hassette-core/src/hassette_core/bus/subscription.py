"""`Subscription`: the object with which an app controls one of its listeners."""

from hassette_core.bus.listener import Listener
from hassette_core.bus.service import BusService
from hassette_executor import ListenerRegistration


class Subscription:
    """A registered listener. The methods of `AppBus` return it.

    Example:
        ::

            self.waiting = self.bus.on_state_change(self.on_door, "binary_sensor.door")
            ...
            self.waiting.cancel()

    Args:
        listener: The listener.
        service: The bus on which the listener is registered.
    """

    def __init__(self, listener: Listener, service: BusService) -> None:
        self._listener = listener
        self._service = service

    @property
    def registration(self) -> ListenerRegistration:
        """The recorded description of the listener: name, topic, settings, source."""
        return self._listener.registration

    @property
    def name(self) -> str:
        """The listener's name in the history."""
        return self._listener.registration.name

    @property
    def active(self) -> bool:
        """False once the listener is cancelled, or once the only run of a ``once`` listener has started."""
        return self._listener.active

    def cancel(self) -> None:
        """End the listener. Runs that have started continue. A second call has no effect.

        A handler may cancel its own listener. A plain ``def`` handler runs in a thread, so its call of `cancel` takes
        effect a little later, when the event loop is free.
        """
        self._service.cancel(self._listener)

    @property
    def paused(self) -> bool:
        """True while the listener is paused, because it triggered itself again and again.

        Events that no app has caused still lead to runs.
        """
        return self._listener.paused

    def resume(self) -> None:
        """End the pause of a listener that triggered itself. May be called in a thread."""
        self._service.resume(self._listener)

    def __repr__(self) -> str:
        return f"<Subscription {self.name} to {self.registration.topic}{'' if self.active else ', ended'}>"
