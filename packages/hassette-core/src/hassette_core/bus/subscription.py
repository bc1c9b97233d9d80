"""What an app holds of its listener."""

from collections.abc import Callable

from hassette_core.bus.listener import Listener
from hassette_executor import ListenerRegistration


class Subscription:
    """A listener that has been registered.

    Args:
        listener: The listener.
        cancel: Ends it.
    """

    def __init__(self, listener: Listener, *, cancel: Callable[[Listener], None]) -> None:
        self._listener = listener
        self._cancel = cancel

    @property
    def registration(self) -> ListenerRegistration:
        """What is recorded about it."""
        return self._listener.registration

    @property
    def name(self) -> str:
        """Its name."""
        return self._listener.registration.name

    @property
    def active(self) -> bool:
        """False once it is cancelled, or has run if it was to run ``once``."""
        return self._listener.active

    def cancel(self) -> None:
        """Hear no more. May be called twice, and by the handler itself; a run that has begun goes on.

        Called in a thread, by a sync handler, it is done as soon as the event loop gets to it.
        """
        self._cancel(self._listener)

    def __repr__(self) -> str:
        return f"<Subscription {self.name} to {self.registration.topic}{'' if self.active else ', ended'}>"
