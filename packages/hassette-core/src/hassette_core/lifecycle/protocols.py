"""Protocols of the services that the supervisor runs. A class satisfies them without inheriting from them."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Resource(Protocol):
    """A component that is only started and stopped, such as an open file."""

    @property
    def name(self) -> str:
        """Name in logs and pages, in a few lowercase words: ``database``, ``home assistant link``."""
        ...

    async def start(self) -> None:
        """Start the resource. Services that depend on it start after this method has returned.

        Before the caller calls `start` again, it calls `stop`, even if the previous start failed or was cancelled.

        Raises:
            FatalError: The start failed, and a retry cannot help. The process ends.
            Exception: The start failed. If the service is required and has never run, the process ends. In all other
                cases the supervisor retries; a failed start of a required service then counts as a crash.
        """
        ...

    async def stop(self) -> None:
        """Release all resources. May be called twice, and after a `start` that failed or was cancelled."""
        ...


@runtime_checkable
class DegradableResource(Resource, Protocol):
    """A resource that can also work in part, such as a store that records into a second file."""

    @property
    def degraded(self) -> str | None:
        """The reason why the resource works only in part, in one or two sentences; None if the resource works fully.

        The supervisor reads it after each start.
        """
        ...


@runtime_checkable
class Service(Resource, Protocol):
    """A resource that also works continuously, such as a connection that reconnects."""

    async def serve(self) -> None:
        """Work until cancelled, or until `stop` is called.

        Raises:
            FatalError: The service failed, and a retry cannot help. The process ends.
            Exception: The service crashed. The supervisor stops the service, waits, and starts it again.
        """
        ...
