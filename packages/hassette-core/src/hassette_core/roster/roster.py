"""`Roster`: the listeners or the jobs that apps have registered, by app, instance and name."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextvars import Context
from itertools import islice
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

    @property
    def active(self) -> bool:
        """False once the entry has ended."""
        ...

    def deactivate(self) -> bool:
        """Deactivate the entry, so that it starts no further run.

        Return False if events or runs wait or are in progress.
        """
        ...

    def drop_waiting(self) -> None:
        """Drop held events and waiting runs. The entry stays registered."""
        ...


EntryT = TypeVar("EntryT", bound=Entry)

ENDED_AT_ONCE = 250
"""Number of entries that `Roster.end` removes at a time, which takes about 2 ms. To remove 10,000 listeners at once
would hold the event loop for 80 ms."""
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
        self._ending: dict[int, EntryT] = {}  # deactivated entries that are still in the tables, by identity
        self._finish: Callable[[EntryT], None] = self.remove

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
        await self.settle()
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
        return list(self._active(tuple(self._entries.values())))

    def entries_of(self, app: str, instance: str) -> tuple[EntryT, ...]:
        """Return the entries of one app instance. May be called in a thread."""
        # `tuple` copies the values in one step. A loop over the values would fail if the event loop added an entry.
        return self._active(tuple(self._by_owner.get((app, instance), {}).values()))

    def entries_with_key(self, *key: str) -> tuple[EntryT, ...]:
        """Return the entries with a natural key: one, several that share it, or none."""
        return self._active(tuple(self._by_key.get(key, {}).values()))

    def _active(self, entries: tuple[EntryT, ...]) -> tuple[EntryT, ...]:
        return tuple([entry for entry in entries if entry.active]) if self._ending else entries

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

    def end(self, entries: Sequence[EntryT], finish: Callable[[EntryT], None]) -> None:
        """End entries. From now on, none of them starts a run or is listed, and their names are free.

        Very many entries are removed in steps, between which the event loop does other work. `settle` waits for that.

        Args:
            entries: The entries. They are active.
            finish: Drops the waiting runs of an entry, removes it with `remove`, and retires its registration.
        """
        self._finish = finish
        stepping = bool(self._ending)
        # The loop runs for each of 10,000 entries, so it must do little.
        busy = [entry for entry in entries if not entry.deactivate()]
        self._ending.update(zip(map(id, entries), entries, strict=True))
        for entry in busy:
            del self._ending[id(entry)]
            finish(entry)
        if not stepping:
            self._remove_step()

    async def settle(self) -> None:
        """Remove all entries that have ended. Between the steps, the event loop does other work."""
        while self._ending:
            self._remove_ended(ENDED_AT_ONCE)
            await asyncio.sleep(0)

    def _remove_step(self) -> None:
        if len(self._ending) > ENDED_AT_ONCE:
            try:
                asyncio.get_running_loop().call_soon(self._remove_step, context=Context())
            except RuntimeError:  # before the start, there is no event loop to hold
                self._remove_ended(len(self._ending))
        self._remove_ended(ENDED_AT_ONCE)

    def _remove_ended(self, count: int) -> None:
        for place in list(islice(self._ending, count)):
            self._finish(self._ending.pop(place))

    def _check_free(self, registration: Registration) -> None:
        if self._ending:
            for place in tuple(self._by_key.get(registration.key, ())):
                if (entry := self._ending.pop(place, None)) is not None:
                    self._finish(entry)
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
