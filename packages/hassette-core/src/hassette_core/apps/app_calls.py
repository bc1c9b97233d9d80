"""`call_app`: call code of one app so that a failure of this code affects no other code."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from hassette_core.containment import ACTOR, Actor, GuardedTask, subject_of
from hassette_core.errors import describe_error
from hassette_executor import ThreadPool, finish_call, hook_call

logger = logging.getLogger(__name__)

CANCEL_S = 0.5
"""Time limit for code of an app to end after its cancellation, in seconds."""


class AppProblem(NamedTuple):
    """The failure of a call.

    Attributes:
        text: Description of the failure, in one sentence.
        cause: The exception that the app raised; None if there was none.
    """

    text: str
    cause: BaseException | None = None


async def call_app(
    actor: Actor,
    name: str,
    call: Callable[[], Awaitable[None] | None],
    timeout_s: float,
    *,
    threads: ThreadPool | None = None,
    cancel_s: float = CANCEL_S,
) -> AppProblem | None:
    """Call code of an app in a separate task, and return the problem if it fails.

    No exception of the code leaves this function, not even a `SystemExit`. If the code cancels its own task, only that
    task is cancelled. If the code ignores its cancellation, this function waits for ``cancel_s``, and then returns.

    Args:
        actor: The app instance.
        name: Name of the called method, for the log.
        call: The code. It may return an awaitable.
        timeout_s: Time limit, in seconds. After this time, the code is cancelled.
        threads: The code is called in one of these threads. None calls it on the event loop.
        cancel_s: Time limit for the code to end after its cancellation, in seconds.

    Raises:
        asyncio.CancelledError: The caller was cancelled. The code was cancelled too.
    """
    problems: list[AppProblem] = []

    async def attempt() -> None:
        try:
            with hook_call():
                # The app may have overridden the method with a plain `def`.
                await finish_call(call() if threads is None else await threads.run(call, actor[0]))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  Code of an app may raise anything. A SystemExit that left this
            # task would end the process.
            problems.append(AppProblem(describe_error(error), error))

    context = contextvars.copy_context()
    context.run(ACTOR.set, actor)
    loop, title = asyncio.get_running_loop(), f"{subject_of(actor)} {name}"
    # With `actor`, the app can cancel the task.
    task = GuardedTask(attempt(), actor=actor, loop=loop, name=title, context=context)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    finally:
        late = not task.done()
        task.cancel()
    if late:
        await asyncio.wait({task}, timeout=cancel_s)
        ignored = "" if task.done() else ", and still runs because it ignores its cancellation"
        if not task.done():
            logger.error(
                "App ignores its cancellation and is still running", extra={"app": subject_of(actor), "method": name}
            )
        return AppProblem(f"it took longer than {timeout_s:g} s{ignored}")
    if task.cancelled() and not problems:
        return AppProblem("it was cancelled by code of the app")
    return problems[0] if problems else None
