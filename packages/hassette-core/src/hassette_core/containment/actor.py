"""The actor: the app instance whose code runs, with its listener or job if known."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

Actor = tuple[str, ...]
"""App key, instance, and if known, the name of the listener or job."""

ACTOR: ContextVar[Actor | None] = ContextVar("hassette_actor", default=None)
"""The app whose code runs. None while code of the framework runs.

Tasks, timers and threads that the app creates inherit the value, because they copy the context of their creator.
"""
current_actor = ACTOR.get


@contextmanager
def acting_for(actor: Actor) -> Generator[None]:
    """Mark the code in the ``with`` block as code of an app."""
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
