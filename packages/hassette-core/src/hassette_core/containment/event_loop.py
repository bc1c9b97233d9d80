"""`run_contained`: run a coroutine to its end, even if code of apps tries to end or stop the event loop.

asyncio raises a `SystemExit` or a `KeyboardInterrupt` of any task or callback through the event loop, so that
`asyncio.run` cancels all tasks and ends. `ContainedTasks` prevents this for the tasks of apps. `run_contained`
prevents it for all other code of apps: callbacks of ``call_soon``, ``call_later`` and ``add_done_callback``, finalizers
of async generators, and tasks that an app creates with `asyncio.Task` itself.
"""

import asyncio
import contextvars
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hassette_core.containment.actor import ACTOR, FRAMEWORK
from hassette_core.containment.containment_log import ContainmentLog
from hassette_core.containment.task_factory import ContainedTasks, GuardedTask

CLOSE_S = 1.0
"""Time limit, in seconds, for the tasks that are left at the end and have been cancelled."""

T = TypeVar("T")


def run_contained(
    main: Coroutine[Any, Any, T], new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
) -> T:
    """Run a coroutine on a new event loop and return its result.

    Code of an app can neither end nor stop the loop. Tasks that are left at the end are cancelled, and have
    `CLOSE_S` seconds to end.

    Args:
        main: The coroutine.
        new_loop: Creates the event loop, which this function closes.
    """
    loop = new_loop()
    try:
        asyncio.set_event_loop(loop)
        loop.set_task_factory(ContainedTasks())
        return _drive(loop, main)
    finally:
        try:
            _drive(loop, _cancel_all())
            _drive(loop, loop.shutdown_asyncgens())
            _drive(loop, loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _drive(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run the loop until the work has ended."""
    context = contextvars.copy_context()
    context.run(ACTOR.set, FRAMEWORK)
    task = GuardedTask(work, loop=loop, context=context)
    task.add_done_callback(lambda _: loop.stop())
    log, interrupted = ContainmentLog(None), False
    while not task.done():  # code of an app may have called loop.stop()
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                # This is a real Ctrl-C. It came before or after the time in which StopGuard handles the signals.
                interrupted = True
                task.cancel()
            elif not task.done() or _outcome_of(task) is not error:
                log.exit_refused(None, error)
    if interrupted:
        raise KeyboardInterrupt
    return task.result()


def _outcome_of(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CLOSE_S)
