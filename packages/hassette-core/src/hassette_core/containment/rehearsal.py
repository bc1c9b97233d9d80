"""Rehearsals: the app instances whose changes to the home are recorded, but not sent."""

import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any

from hassette_core.containment.actor import ACTOR, Actor, AppActor, acting_for, current_app, subject_of
from hassette_core.errors import RehearsalError

_rehearsing: set[Actor] = set()
"""The app key and the instance of each rehearsing app instance of this process. As the actor, it is a fact of the whole
process, so that no object of the framework can be used to send a change."""


def set_rehearsal(actor: Actor, *, on: bool) -> None:
    """Begin or end the rehearsal of an app instance."""
    if on:
        _rehearsing.add(actor[:2])
    else:
        _rehearsing.discard(actor[:2])


@contextmanager
def rehearsals() -> Generator[None]:
    """End all rehearsals that begin in the ``with`` block at its end.

    They do not end with the app, because a task that the app has left behind may still run.
    """
    before = set(_rehearsing)
    try:
        yield
    finally:
        _rehearsing.intersection_update(before)


def app_actor(key: Actor) -> AppActor:
    """Return the actor for the present version of an app instance.

    Args:
        key: App key, instance, and if known, the name of the listener or job.
    """
    actor = AppActor(key)
    actor.rehearses = key[:2] in _rehearsing
    return actor


def is_rehearsing(actor: Actor | None = None) -> bool:
    """Return whether an app instance rehearses. Without an actor, ask about the code that runs."""
    actor = current_app() if actor is None else actor
    if actor is None:
        return False
    return actor.rehearses if isinstance(actor, AppActor) else actor[:2] in _rehearsing


def may_change_the_home() -> bool:
    """Return whether the code that runs may send changes to Home Assistant.

    While an app rehearses, code of unknown origin may not. It could be code of that app, for example in a task that the
    app has created with an empty context.
    """
    return not _rehearsing if ACTOR.get() is None else not is_rehearsing()


def check_may_control(owner: Actor, action: str) -> None:
    """Check that an app that rehearses does not control a listener, a job or another part of an app that acts.

    Args:
        owner: The app instance to which the part belongs.
        action: The requested action, such as ``cancel the job off``.

    Raises:
        RehearsalError: The code that runs belongs to another app instance, which rehearses, and the owner acts.
    """
    if is_rehearsing() and not is_rehearsing(owner[:2]):
        actor = current_app()
        assert actor is not None  # it rehearses
        raise RehearsalError(
            f"{action} of {subject_of(owner)}",
            f"the app {subject_of(actor)} rehearses, and {subject_of(owner)} acts",
        )


def check_own_registration(owner: Actor) -> None:
    """Check that an app that rehearses registers no handler with the bus or the scheduler of another app.

    The handler would run as code of the other app, which may not rehearse.

    Args:
        owner: The app instance to which the bus or the scheduler belongs.

    Raises:
        RehearsalError: The code that runs belongs to another app instance, which rehearses.
    """
    if is_rehearsing() and (actor := current_app()) is not None and actor[:2] != owner:
        raise RehearsalError(
            f"register a handler of {subject_of(actor)} for {subject_of(owner)}",
            f"the app {subject_of(actor)} rehearses, and the handler would run as code of the other app;"
            " use the bus and the scheduler of the app itself",
        )


def why_refused() -> str:
    """Return the reason why the running code may not change the home, as the end of a sentence."""
    actor = current_app()
    if actor is None:
        return "an app rehearses, and it is not known which app this code belongs to"
    return f"the app {subject_of(actor)} rehearses, so its changes are not sent"


@contextmanager
def threads_with_actors() -> Generator[None]:
    """Give each thread the actor of the code that starts it, during the ``with`` block.

    A thread does not inherit context variables. Without this, code of an app in a thread would be of unknown origin.
    """
    original = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        actor = current_app()
        if actor is not None:
            thread.run = partial(_run_for, actor, thread.run)
        original(thread)

    setattr(threading.Thread, "start", start)  # noqa: B010  type checkers do not allow the assignment
    try:
        yield
    finally:
        if threading.Thread.start is start:  # an app may have replaced it
            setattr(threading.Thread, "start", original)  # noqa: B010  as above


def _run_for(actor: Actor, run: Any) -> None:
    with acting_for(actor):
        run()


class ContextThreads(ThreadPoolExecutor):
    """Threads for `asyncio.loop.run_in_executor` that run each function in the context of its caller.

    All apps share these threads, so the actor of the code that started a thread is not the actor of its functions.
    """

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function in a thread."""
        return super().submit(copy_context().run, partial(fn, *args, **kwargs))
