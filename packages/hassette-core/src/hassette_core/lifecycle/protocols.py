"""Interfaces of the services that the supervisor runs. Classes satisfy them by shape, without inheritance."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Resource(Protocol):
    """A component that is only started and stopped, such as an open file."""

    @property
    def name(self) -> str:
        """Name for people, in one or two lowercase words: ``store``, ``home assistant link``."""
        ...

    async def start(self) -> None:
        """Get ready. Services that depend on this one start after it returns.

        Raises:
            FatalError: A retry cannot help, and the framework cannot run: the process ends.
            Exception: The start failed. The process ends if the service is required; otherwise the supervisor retries.
        """
        ...

    async def stop(self) -> None:
        """Release everything. May be called twice, and after a failed `start`."""
        ...


@runtime_checkable
class Service(Resource, Protocol):
    """A resource that also runs, such as a connection that reconnects."""

    async def serve(self) -> None:
        """Work until cancelled, or until `stop` is called.

        Raises:
            FatalError: As for `start`.
            Exception: The service crashed. The supervisor stops it, waits, and starts it again.
        """
        ...
