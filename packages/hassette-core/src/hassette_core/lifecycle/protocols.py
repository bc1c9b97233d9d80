"""What the supervisor asks of a part. Everybody satisfies these by shape; nobody inherits from them."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Resource(Protocol):
    """Something that is opened and closed, such as a file."""

    @property
    def name(self) -> str:
        """What a person calls it, in one lowercase word or two: ``store``, ``home assistant``."""
        ...

    async def start(self) -> None:
        """Get ready. When it returns, others may use this part.

        Raises:
            FatalError: Nothing but a person can mend it, and it is pointless to go on: the process ends.
            Exception: It cannot start now. A required part ends the process; any other is tried again later.
        """
        ...

    async def stop(self) -> None:
        """Let go of everything. May be called twice, and after a `start` that failed."""
        ...


@runtime_checkable
class Service(Resource, Protocol):
    """A Resource that also works by itself, such as a connection that must be kept."""

    async def serve(self) -> None:
        """Work until cancelled, or until `stop` is called.

        Raises:
            FatalError: As for `start`.
            Exception: It crashed. The supervisor stops it, waits, and starts it again.
        """
        ...
