"""`StopGuard`: stop the framework on a signal, and end the process soon after the stop budget."""

import asyncio
import atexit
import contextvars
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

from hassette_core.apps import PACKAGE
from hassette_core.containment import GuardedTask, current_app, kept_signal_handlers
from hassette_core.framework import Hassette

SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPT = signal.SIGALRM
"""The signal of the timer that interrupts the main thread. It also ends a ``time.sleep``."""
OVERRUN_S = 1.0
"""The guard ends the process this many seconds after the end of the stop budget, even if services still run."""
BLOCKED_S = 0.25
"""Once the apps have used up their share of the stop budget, code of an app that blocks the event loop for this many
seconds is interrupted."""
POLL_S = 0.05
"""Interval at which the guard checks during the stop whether the event loop is blocked, in seconds."""
LONGEST_S = 1e8
"""The guard does not watch a stop that is further away than this many seconds (three years)."""
LOCK_S = 1.0
"""If even the guard's thread could not end the process, `faulthandler` ends it this many seconds later."""
EXIT_S = 60.0
"""Limit in seconds for the part of Python's exit after all threads have ended. Then code of an app can run only in exit
functions and finalizers. On a busy machine, a short limit would end a clean process with exit code 1."""


class AppBlockedError(BaseException):
    """Code of an app blocked the event loop during the stop, and was interrupted.

    It is not an `Exception`, so that an ``except Exception`` in the blocked code does not catch it.
    """

    def __init__(self) -> None:
        super().__init__("it blocked the event loop during the stop and was interrupted")


class StopGuard:
    """Stops the framework on a signal, and ends the process if the stop takes too long.

    Code of an app may block the event loop: with ``time.sleep`` in an ``async def``, or with an endless loop. This
    would delay the stop of all other services, and the last records would be lost. Once the apps have used up their
    share of the stop budget, the guard interrupts code of an app that blocks the event loop: an `AppBlockedError` is
    raised there. If the services still run `OVERRUN_S` after the whole budget, the guard ends the process.

    The guard needs three parts, because each part works where the other two fail:

    - A timer of the operating system interrupts code in the main thread. A thread could not do this while one slow
      call, such as a regular expression, keeps the interpreter lock.
    - A thread ends the process with the right exit code, and names the reason. The handler of the timer cannot do this
      while the main thread waits in a library written in C, or after an app has removed the handler.
    - `faulthandler` ends the process if one call never releases the interpreter lock. Then no handler and no thread can
      run Python code.

    Args:
        budget_s: Stop budget in seconds, until `watch` is called.

    Example:
        >>> guard = StopGuard(budget_s=9)
        >>> with guard.on_signals(hassette.request_stop):
        ...     await guard.watch(hassette).run()
    """

    def __init__(self, *, budget_s: float) -> None:
        self._budget_s = budget_s
        self._grace_s = budget_s
        self._code = 1
        self._began = False
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pinged: float | None = None
        self._watching: asyncio.Task[None] | None = None

    @contextmanager
    def on_signals(self, request_stop: Callable[[str], None]) -> Generator[None]:
        """Request a stop on the first SIGINT or SIGTERM; end the process immediately on the second one.

        Args:
            request_stop: Called on the event loop with the name of the signal.
        """
        loop = self._loop = asyncio.get_running_loop()
        received: list[int] = []
        # Without this context, the log lines of the stop could belong to the run that the signal interrupts.
        context = contextvars.copy_context()

        # loop.add_signal_handler is not used, because it would call `receive` on the event loop. While a handler of an
        # app blocks the event loop, a second signal would have no effect.
        def receive(number: int, _frame: FrameType | None) -> None:
            received.append(number)
            name = signal.Signals(number).name
            if len(received) > 1:
                end_now(128 + number, f"ended immediately after a second {name}")
            loop.call_soon_threadsafe(request_stop, name, context=context)
            self._code = 128 + number
            self._begin()

        handlers = {**dict.fromkeys(SIGNALS, receive), INTERRUPT: self._interrupt}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            with kept_signal_handlers(SIGNALS):
                yield
        finally:
            self._ended.set()  # from now on, no app runs, and `run_to_the_end` limits the rest
            if self._watching is not None:
                self._watching.cancel()
            # Without its handler, the signal of the timer would end the process.
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
            for number, handler in before.items():
                signal.signal(number, handler)

    def watch(self, hassette: Hassette) -> Hassette:
        """Guard every stop of the framework, also a stop without a signal. Return the framework.

        From now on, the guard uses the stop budget of the framework.
        """
        settings = hassette.config.hassette
        self._budget_s, self._grace_s = settings.stop_budget_s, settings.grace_s

        async def begin() -> None:
            await hassette.wait_stopping()
            self._begin()

        self._watching = GuardedTask(begin(), loop=asyncio.get_running_loop(), name="stop guard")
        return hassette

    def expect_stop_within(self, seconds: float) -> None:
        """Guard the stop that begins after this time, even if the event loop is blocked and cannot begin the stop.

        Call this on the event loop, inside the ``with`` block of `on_signals`.
        """
        if seconds < LONGEST_S:
            signal.setitimer(signal.ITIMER_REAL, seconds + BLOCKED_S, POLL_S)
            _end_without_lock_within(seconds + BLOCKED_S + self._budget_s + OVERRUN_S + LOCK_S)

    def _begin(self) -> None:
        if not self._began:
            self._began = True
            signal.signal(INTERRUPT, self._interrupt)  # a library of an app may have removed the handler
            signal.setitimer(signal.ITIMER_REAL, max(self._grace_s, POLL_S), POLL_S)
            limit_s = self._budget_s + OVERRUN_S
            _end_without_lock_within(limit_s + LOCK_S)
            threading.Thread(target=self._guard, args=(limit_s,), name="stop guard", daemon=True).start()

    def _guard(self, limit_s: float) -> None:
        if not self._ended.wait(limit_s):
            end_now(self._code, f"ended without waiting for {_obstacles()}")

    def _is_blocked(self) -> bool:
        if self._pinged is not None:
            return time.monotonic() - self._pinged > BLOCKED_S
        self._pinged = time.monotonic()
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                return False  # the event loop was closed
        return False

    def _answer(self) -> None:
        self._pinged = None

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        """Raise an exception in the code of an app. The main thread calls this between two steps of that code."""
        if not self._began:
            self._begin()  # the event loop has not begun the stop that `expect_stop_within` announced
            return
        # Check again: the blocked code may have ended meanwhile. Code of the framework is never interrupted.
        if self._is_blocked() and current_app() is not None and _runs_app(frame):
            self._pinged = None  # interrupt the same code again only after another wait
            raise AppBlockedError


def end_within(seconds: float, code: int) -> None:
    """End the process if it still runs after this many seconds."""

    def end() -> None:
        time.sleep(seconds)
        end_now(code, f"ended without waiting for {_obstacles()}")

    _end_without_lock_within(seconds + LOCK_S)
    atexit.register(_end_without_lock_within, EXIT_S)
    threading.Thread(target=end, name="end of the process", daemon=True).start()


def end_now(code: int, message: str) -> None:
    """End the process."""
    # print() is not used, because a signal handler may interrupt another print().
    with suppress(Exception):  # standard error or standard output may be closed; the process must end all the same
        os.write(2, f"hassette: {message}\n".encode())
    with suppress(Exception):
        sys.stdout.flush()
    os._exit(code)


def _end_without_lock_within(seconds: float) -> None:
    """End the process after this many seconds with exit code 1, even if a call never releases the interpreter lock.

    In that case, no thread can run Python code. `faulthandler` ends the process in C, and writes the stacks of all
    threads.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=2)


def _runs_app(frame: FrameType | None) -> bool:
    while frame is not None:
        if _is_of_app(frame):
            return True
        frame = frame.f_back
    return False


def _obstacles() -> str:
    """Return the reasons why the process does not end: the blocked line of an app, and the names of threads."""
    found: list[str] = []
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # pyright: ignore[reportPrivateUsage]  documented
    while frame is not None and not _is_of_app(frame):
        frame = frame.f_back
    if frame is not None:
        found.append(f"{frame.f_code.co_qualname} (line {frame.f_lineno} of {frame.f_code.co_filename})")
    names = [t.name for t in threading.enumerate() if not t.daemon and t is not threading.main_thread()]
    if names:
        found.append(f"hung threads: {', '.join(names)}")
    return " and ".join(found) or "the event loop"


def _is_of_app(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(f"{PACKAGE}.")
