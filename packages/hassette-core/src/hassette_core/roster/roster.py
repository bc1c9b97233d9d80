"""`Roster`: the listeners or the jobs that apps have registered, by app, instance and name."""

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from hassette_core.errors import RegistrationError
from hassette_core.roster.loop_affinity import LoopAffinity
from hassette_core.roster.run_lanes import CommandRunner, Mode, RunLane
from hassette_executor import CommandExecutor, ErrorHook, Registration

logger = logging.getLogger(__name__)


class Entry(Protocol):
    """A registered listener or job."""

    @property
    def registration(self) -> Registration:
        """The recorded description of the listener or job."""
        ...

    def drop_waiting(self) -> None:
        """Drop held events and waiting runs. The entry stays registered."""
        ...


EntryT = TypeVar("EntryT", bound=Entry)

MANY_NAMES = 50
"""An app may register a handler for each of its lights, each with another name. Few homes need more names than this."""


class EndedNames:
    """Names of ended listeners and jobs by handler, to warn once about a handler that gets a new name for each run.

    Args:
        many: Number of different names of one handler at which the warning is logged.
    """

    def __init__(self, many: int = MANY_NAMES) -> None:
        self._many = many
        self._names: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)

    def add(self, registration: Registration) -> None:
        """Add the name of a listener or job that has ended."""
        names = self._names[registration.app, registration.instance, registration.handler]
        if len(names) >= self._many:
            return
        names.add(registration.name)
        if len(names) == self._many:
            logger.warning(
                "Handler gets a new name for each run; give it one name, because each name is a row in the history",
                extra={
                    "app": registration.app,
                    "instance": registration.instance,
                    "handler": registration.handler,
                    "names": sorted(names)[:3],
                },
            )


class Roster(Generic[EntryT]):
    """The listeners or the jobs that apps have registered, by app, instance and name.

    To add a listener or job, first call `prepare` with its registration. Then create the listener or job with the lane
    that `prepare` returned, and pass it to `add`.

    Args:
        kind: ``listener`` or ``job``, for error messages.
        executor: Runs the commands and records the registrations.
    """

    def __init__(self, kind: str, executor: CommandExecutor) -> None:
        self._kind = kind
        self._executor = executor
        self._loop = LoopAffinity()
        # In all three tables, the entries are by identity, in the order of their registration.
        self._entries: dict[int, EntryT] = {}
        self._by_owner: defaultdict[tuple[str, ...], dict[int, EntryT]] = defaultdict(dict)
        self._by_key: defaultdict[tuple[str, ...], dict[int, EntryT]] = defaultdict(dict)
        self._shared: set[tuple[str, ...]] = set()  # keys that several entries may have
        self._runner = CommandRunner(executor)
        self._names = EndedNames()

    def bind(self) -> None:
        """Bind to the running event loop. From now on, entries can only be added on this loop."""
        self._loop.bind()

    @property
    def retire_ended(self) -> bool:
        """Whether the roster reports the registration of an ended listener or job to the executor as retired.

        `AppService` sets this to False while it stops the apps, because the next start registers their listeners and
        jobs again.
        """
        return self._runner.retire_ended

    @retire_ended.setter
    def retire_ended(self, retire_ended: bool) -> None:
        self._runner.retire_ended = retire_ended

    async def stop(self, grace_s: float) -> None:
        """Drop waiting runs, wait for runs in progress, and cancel runs that do not end within the grace period.

        The entries stay registered.

        Args:
            grace_s: Time for the runs to end, in seconds.
        """
        for entry in self.entries():
            entry.drop_waiting()
        cancelled = await self._runner.stop(grace_s)
        if cancelled:
            logger.warning(
                "Runs were cancelled because their service stops",
                extra={"kind": self._kind, "cancelled": cancelled, "grace_s": grace_s},
            )

    def prepare(self, registration: Registration, mode: Mode, *, shared: bool = False) -> RunLane:
        """Check that a registration can be added, and return the lane for its runs.

        Args:
            registration: The registration.
            mode: The rule for overlapping runs.
            shared: Whether other entries that are also shared may have the same name.

        Raises:
            RegistrationError: The name is taken, or the caller runs in a thread. The message explains how to fix it.
        """
        self._loop.check(f"the {self._kind} {registration.name!r}")
        if not (shared and registration.key in self._shared):
            self._check_free(registration)
        return RunLane(registration, mode, self._runner)

    def add(self, entry: EntryT, on_error: ErrorHook | None, *, shared: bool = False) -> None:
        """Add an entry, and report its registration to the executor.

        Args:
            entry: A listener or job whose registration has been passed to `prepare`.
            on_error: Called when a run of the entry fails. None uses the error hook of the app.
            shared: As in `prepare`.
        """
        registration = entry.registration
        self._executor.register(registration)
        if on_error is not None:
            self._executor.hooks.set(on_error, registration=registration)
        key = registration.key
        if shared:
            self._shared.add(key)
        self._entries[id(entry)] = self._by_owner[key[:2]][id(entry)] = self._by_key[key][id(entry)] = entry

    def remove(self, entry: EntryT) -> None:
        """Remove an entry, so that its name is free again. Runs in progress continue."""
        key = entry.registration.key
        del self._entries[id(entry)]
        for table, place in ((self._by_owner, key[:2]), (self._by_key, key)):
            del table[place][id(entry)]
            if not table[place]:
                del table[place]
        if key not in self._by_key:
            self._shared.discard(key)
        self._names.add(entry.registration)

    def entries(self) -> list[EntryT]:
        """Return all entries, in the order of their registration."""
        return list(self._entries.values())

    def entries_of(self, app: str, instance: str) -> tuple[EntryT, ...]:
        """Return the entries of one app instance. May be called in a thread."""
        # `tuple` copies the values in one step. A loop over the values would fail if the event loop added an entry.
        return tuple(self._by_owner.get((app, instance), {}).values())

    def entries_with_key(self, *key: str) -> tuple[EntryT, ...]:
        """Return the entries with a natural key: one, several that share it, or none."""
        return tuple(self._by_key.get(key, {}).values())

    async def drain(self, app: str, instance: str, grace_s: float) -> None:
        """Wait until the runs of one app instance have ended, also those that wait. Then cancel the remaining runs.

        The caller makes sure that no new run is triggered.

        Args:
            app: The app's key.
            instance: The app's instance.
            grace_s: Time for the runs to end, in seconds.
        """
        await self._runner.drain((app, instance), grace_s)
        for entry in self.entries_of(app, instance):
            entry.drop_waiting()
        cancelled = await self._runner.cancel((app, instance))
        if cancelled:
            logger.warning(
                "Runs were cancelled because their app stops",
                extra={
                    "app": f"{app}.{instance}",
                    "kind": self._kind,
                    "cancelled": cancelled,
                    "grace_s": grace_s,
                },
            )

    def call(self, function: Callable[[], None]) -> None:
        """Call a function on the event loop; see `LoopAffinity.call`."""
        self._loop.call(function)

    def call_each(self, app: str, instance: str, function: Callable[[EntryT], None]) -> None:
        """Call a function on the event loop with each entry of one app instance. The function may remove the entry."""

        def call_all() -> None:
            for entry in self.entries_of(app, instance):
                function(entry)

        self._loop.call(call_all)

    def _check_free(self, registration: Registration) -> None:
        if registration.key not in self._by_key:
            return
        app, instance, name, *topics = registration.key
        number = 2
        while (app, instance, f"{name}_{number}", *topics) in self._by_key:
            number += 1
        where = "".join(f" on {topic}" for topic in topics)
        replace = ", pass replace=True" if self._kind == "job" else ""
        raise RegistrationError(
            f"{app}.{instance} already has a {self._kind} named {name!r}{where}. The history needs unique names: cancel"
            f' that {self._kind} first{replace}, or choose another name, such as name="{name}_{number}"'
        )
