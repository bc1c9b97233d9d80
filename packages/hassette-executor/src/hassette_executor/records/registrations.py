"""Registrations: the constant description of a listener or job, shared by all its runs."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from hassette_executor.errors import SettingError
from hassette_executor.records.texts import MAX_LABEL, MAX_SETTINGS, MAX_SNIPPET, cut, cut_key, cut_label


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLocation:
    """Place in the source code where a handler is defined.

    Attributes:
        file: Path of the source file.
        line: Line of the handler's definition, from 1.
        snippet: The first lines of the handler; may be empty.
    """

    file: str
    line: int
    snippet: str = ""

    def __post_init__(self) -> None:
        for field in ("file", "snippet"):
            if len(text := getattr(self, field)) > MAX_SNIPPET:
                object.__setattr__(self, field, cut(text, MAX_SNIPPET))


# eq=False: registrations are compared and hashed by identity, so they are fast dictionary keys on the hot path. The
# store recognises two registrations of the same listener by their natural key.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListenerRegistration:
    """A handler that listens to a topic. A text of more than 500 characters is cut, and stays different from others.

    The natural key is ``(app, instance, name, topic)``. After a restart or an edit, a registration continues the
    history of the registration with the same key.

    Attributes:
        kind: ``"listener"``.
        app: The app key in ``hassette.toml``.
        instance: The name of the instance within the app.
        name: The name of the listener, unique within the instance and topic; the handler's name by default.
        topic: The topic, such as ``state_changed.light.*``.
        handler: The qualified name of the callable.
        settings: Names and readable values of the options, such as ``("debounce", "2 s")``.
        source: Where the handler is defined; None if unknown.
        runs_in: ``"async"`` to run on the event loop, ``"sync"`` to run in a thread.
        timeout_s: Deadline of one run in seconds; None for the executor's default, 0 for no deadline.

    Raises:
        SettingError: `timeout_s` is negative or not a number.
    """

    kind: ClassVar[str] = "listener"

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
        _bound_texts(self)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The natural key: app, instance, name, topic."""
        return (self.app, self.instance, self.name, self.topic)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobRegistration:
    """A job on a schedule. A text of more than 500 characters is cut, and stays different from others.

    The natural key is ``(app, instance, name)``.

    Attributes:
        kind: ``"job"``.
        app: The app key in ``hassette.toml``.
        instance: The name of the instance within the app.
        name: The name of the job, unique within the instance; the callable's name by default.
        schedule: The schedule as text: ``every 30 s``, ``cron 0 7 * * *``, ``once``.
        handler: The qualified name of the callable.
        settings: Names and readable values of the options.
        source: Where the handler is defined; None if unknown.
        runs_in: ``"async"`` to run on the event loop, ``"sync"`` to run in a thread.
        timeout_s: Deadline of one run in seconds; None for the executor's default, 0 for no deadline.

    Raises:
        SettingError: `timeout_s` is negative or not a number.
    """

    kind: ClassVar[str] = "job"

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
        _bound_texts(self)

    @property
    def key(self) -> tuple[str, str, str]:
        """The natural key: app, instance, name."""
        return (self.app, self.instance, self.name)


Registration = ListenerRegistration | JobRegistration


def _bound_texts(registration: Registration) -> None:
    trigger = registration.topic if isinstance(registration, ListenerRegistration) else registration.schedule
    whole = "".join((registration.app, registration.instance, registration.name, registration.handler, trigger))
    if whole.isascii() and len(whole) <= MAX_LABEL:
        _bound_settings(registration)  # nearly all registrations
        return
    # A name derived from a file name may contain half a surrogate pair, which databases and pages reject. It is
    # replaced here, and a long text is cut here, so that the natural key is the same everywhere.
    for field in ("app", "instance", "name", "topic", "schedule", "handler"):
        text: str = getattr(registration, field, "")
        clean = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
        clean = cut_key(clean)
        if clean is not text and clean != text:
            object.__setattr__(registration, field, clean)
    _bound_settings(registration)


def _bound_settings(registration: Registration) -> None:
    if len(registration.settings) > MAX_SETTINGS or any(
        len(name) + len(value) > MAX_LABEL for name, value in registration.settings
    ):
        settings = tuple([(cut_label(name), cut_label(value)) for name, value in registration.settings[:MAX_SETTINGS]])
        object.__setattr__(registration, "settings", settings)


def _check_timeout(timeout_s: float | None) -> None:
    # A negated comparison, so that NaN is rejected: every comparison with NaN is false.
    if timeout_s is not None and not timeout_s >= 0:
        raise SettingError("timeout_s", timeout_s, "0 or more seconds")
