"""What never changes about a handler or a job: made once, referred to by every run of it."""

from dataclasses import dataclass
from typing import Literal

from hassette_executor.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLocation:
    """Where a handler was registered, for the person who reads about its failure.

    Attributes:
        file: Path of the source file.
        line: Line of the handler's definition, from 1.
        snippet: The registering call or the first lines of the handler; may be empty.
    """

    file: str
    line: int
    snippet: str = ""


# eq=False: a registration is compared and hashed by identity, which makes it a cheap cache key on the hot path;
# two registrations of the same thing meet again in the store, by their natural key.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListenerRegistration:
    """A handler that listens to a topic.

    Its natural key is ``(app, instance, name, topic)``: history found under that key continues after a
    restart or an edit.

    Attributes:
        app: The app's key in ``hassette.toml``.
        instance: The instance's name within the app.
        name: The listener's name, unique within the instance and topic; the handler's name by default.
        topic: What it listens to, such as ``state_changed.light.*``.
        handler: The callable's qualified name.
        settings: Options as a person wrote them, such as ``("debounce", "2 s")``.
        source: Where it was registered, if known.
        runs_in: ``"async"`` runs on the event loop, ``"sync"`` in a thread.
        timeout_s: Deadline of one run in seconds; None takes the executor's default, 0 sets none.

    Raises:
        SettingError: `timeout_s` is negative or not a number.
    """

    app: str
    instance: str
    name: str
    topic: str
    handler: str
    settings: tuple[tuple[str, str], ...] = ()
    source: SourceLocation | None = None
    runs_in: Literal["async", "sync"] = "async"
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        _check_timeout(self.timeout_s)
        _without_lone_surrogates(self)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The natural key: app, instance, name, topic."""
        return (self.app, self.instance, self.name, self.topic)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobRegistration:
    """A job on a schedule.

    Its natural key is ``(app, instance, name)``.

    Attributes:
        app: The app's key in ``hassette.toml``.
        instance: The instance's name within the app.
        name: The job's name, unique within the instance; the callable's name by default.
        schedule: When it runs, as a person would say it: ``every 30 s``, ``cron 0 7 * * *``, ``once``.
        handler: The callable's qualified name.
        settings: Options as a person wrote them.
        source: Where it was registered, if known.
        runs_in: ``"async"`` runs on the event loop, ``"sync"`` in a thread.
        timeout_s: Deadline of one run in seconds; None takes the executor's default, 0 sets none.

    Raises:
        SettingError: `timeout_s` is negative or not a number.
    """

    app: str
    instance: str
    name: str
    schedule: str
    handler: str
    settings: tuple[tuple[str, str], ...] = ()
    source: SourceLocation | None = None
    runs_in: Literal["async", "sync"] = "async"
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        _check_timeout(self.timeout_s)
        _without_lone_surrogates(self)

    @property
    def key(self) -> tuple[str, str, str]:
        """The natural key: app, instance, name."""
        return (self.app, self.instance, self.name)


def _without_lone_surrogates(registration: "Registration") -> None:
    # A file name may bring half a character. No database and no page takes it, and identities must be one everywhere.
    for part in ("app", "instance", "name", "topic", "schedule", "handler"):
        text = getattr(registration, part, "")
        if not text.isascii() and (clean := text.encode("utf-8", "replace").decode("utf-8")) != text:
            object.__setattr__(registration, part, clean)


def _check_timeout(timeout_s: float | None) -> None:
    # Asked this way round, because "not a number" is on neither side of any bound.
    if timeout_s is not None and not timeout_s >= 0:
        raise SettingError("timeout_s", timeout_s, "0 or more seconds")


Registration = ListenerRegistration | JobRegistration
