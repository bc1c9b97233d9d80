"""The actor: the app instance whose code runs, with its listener or job if known."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

Actor = tuple[str, ...]
"""App key, instance, and if known, the name of the listener or job. Empty for the framework."""

FRAMEWORK: Actor = ()


class AppActor(tuple[str, ...]):
    """The actor of one version of an app instance. `hassette_core.containment.app_actor` makes it.

    A run, task or thread keeps its actor. So code that an older version has left behind still rehearses, or acts, as
    the older version did.

    Attributes:
        rehearses: Whether the version rehearses.
    """

    rehearses: bool = False


ACTOR: ContextVar[Actor | None] = ContextVar("hassette_actor", default=None)
"""The actor whose code runs: an app instance or the framework. None for code of unknown origin, for example in
a thread of an app.

Tasks, timers and calls of `asyncio.to_thread` that the app creates inherit the value, because they copy the context of
their creator. A `threading.Thread` does not.
"""


def current_app() -> Actor | None:
    """Return the app whose code runs. None for code of the framework and for code of unknown origin."""
    return ACTOR.get() or None


@contextmanager
def acting_for(actor: Actor) -> Generator[None]:
    """Mark the code in the ``with`` block as code of an app or of the framework."""
    token = ACTOR.set(actor)
    try:
        yield
    finally:
        ACTOR.reset(token)


def subject_of(actor: Actor) -> str:
    """Return ``app_key.instance``, or only the app key if there is no instance.

    Example:
        >>> subject_of(("hall", "upstairs", "on_motion"))
        'hall.upstairs'
    """
    return ".".join(part for part in actor[:2] if part)
