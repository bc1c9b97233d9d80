"""`Roster`: the listeners of the bus, or the jobs of the scheduler."""

import logging
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from hassette_core.errors import RegistrationError
from hassette_core.roster.loop_affinity import LoopAffinity
from hassette_core.roster.run_lanes import CommandRunner, Mode, RunLane
from hassette_executor import CommandExecutor, ErrorHook, Registration

logger = logging.getLogger(__name__)


class Entry(Protocol):
    """A listener or job in a roster."""

    @property
    def registration(self) -> Registration:
        """The listener or job as it is recorded."""
        ...

    def drop_waiting(self) -> None:
        """Drop held events and waiting runs. The entry stays registered."""
        ...


EntryT = TypeVar("EntryT", bound=Entry)


class Roster(Generic[EntryT]):
    """All registered listeners, or all registered jobs, by their keys.

    To add one: `prepare` its registration, make the entry with the lane, then `add` the entry.

    Args:
        kind: ``listener`` or ``job``, for error messages.
        executor: Runs the commands and records registrations.
    """

    def __init__(self, kind: str, executor: CommandExecutor) -> None:
        self._kind = kind
        self._executor = executor
        self._loop = LoopAffinity()
        self._entries: dict[tuple[str, ...], EntryT] = {}
        self.runner = CommandRunner(executor)

    def bind(self) -> None:
        """Bind to the running event loop: from now on, entries can only be added there."""
        self._loop.bind()

    async def stop(self, grace_s: float) -> None:
        """Drop waiting runs, wait for the running ones, and cancel those that exceed the grace. Entries stay.

        Args:
            grace_s: How long runs may take to end, in seconds.
        """
        for entry in self.entries():
            entry.drop_waiting()
        cancelled = await self.runner.stop(grace_s)
        if cancelled:
            logger.warning(
                "Runs were cancelled because their service stops",
                extra={"kind": self._kind, "cancelled": cancelled, "grace_s": grace_s},
            )

    def prepare(self, registration: Registration, mode: Mode) -> RunLane:
        """Check that a registration can be added, and return the lane for its runs.

        Raises:
            RegistrationError: The name is taken, or the caller runs in a thread. The message explains how to fix it.
        """
        self._loop.check(f"the {self._kind} {registration.name!r}")
        self._check_free(registration)
        return RunLane(registration, mode, self.runner)

    def add(self, entry: EntryT, on_error: ErrorHook | None) -> None:
        """Add an entry and announce its registration to the executor.

        Args:
            entry: A listener or job whose registration has been prepared.
            on_error: Called when one of its runs fails; None for the app's hook.
        """
        registration = entry.registration
        self._executor.register(registration)
        if on_error is not None:
            self._executor.hooks.set(on_error, registration=registration)
        self._entries[registration.key] = entry

    def remove(self, entry: EntryT) -> None:
        """Remove an entry. Its name is free again, and its runs continue."""
        del self._entries[entry.registration.key]

    def entries(self) -> list[EntryT]:
        """Return all entries, in the order of their registration."""
        return list(self._entries.values())

    def entries_of(self, app: str, instance: str) -> tuple[EntryT, ...]:
        """Return the entries of one app instance."""
        return tuple(entry for key, entry in self._entries.items() if key[:2] == (app, instance))

    def call(self, function: Callable[[], None]) -> None:
        """Call a function on the event loop: at once, or as soon as the loop is free when called in a thread."""
        self._loop.call(function)

    def _check_free(self, registration: Registration) -> None:
        if registration.key not in self._entries:
            return
        app, instance, name, *topics = registration.key
        number = 2
        while (app, instance, f"{name}_{number}", *topics) in self._entries:
            number += 1
        where = "".join(f" on {topic}" for topic in topics)
        raise RegistrationError(
            f"{app}.{instance} already has a {self._kind} named {name!r}{where}. The history finds it by that name:"
            f' cancel it first, or choose another name, such as name="{name}_{number}"'
        )
