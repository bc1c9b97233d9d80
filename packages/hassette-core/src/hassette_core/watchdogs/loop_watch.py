"""`LoopWatch`: find the code that blocks the event loop, and report it."""

import asyncio
import contextvars
import linecache
import logging
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator, Sequence
from math import inf
from types import FrameType
from typing import Any, NamedTuple

from hassette_core.containment import ACTOR, Actor, GuardedTask, subject_of
from hassette_core.lifecycle import AsyncWithService
from hassette_core.watchdogs.block_reports import UNKNOWN, BlockReports
from hassette_core.watchdogs.loop_lag import CALLBACK, INTERVAL_S, TURN, Delay, LoopLag, waits_for_events
from hassette_executor import CommandExecutor, Execution, execution_in

logger = logging.getLogger(__name__)

SHORT_S = 0.25
"""A run that waited at least this long for a blocked event loop gets a log line about it."""
AFTER_S = 0.25
"""A run that begins at most this long after a block gets the log line too: its event may have waited unread."""
MAX_FRAMES = 8
"""At most this many frames of the blocking code are reported."""
_OURS = ("hassette_core", "hassette_executor")
_FRAMEWORK = (*_OURS, "hassette_store", "hassette_sync")
_LIBRARIES = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})


class Block(NamedTuple):
    """A time in which the event loop was blocked.

    Attributes:
        actor: The app whose code blocked the loop, with its listener or job if known. None if no app did.
        name: The name of the listener, job or method. If no app blocked the loop, the module, such as
            ``hassette_sync.web.compression``; empty if it is not known.
        frames: The frames of the app's code, innermost first: function, file and line.
        execution: The run whose code blocked the loop; None if the code was no run.
        began_s: The earliest moment at which the block can have begun, by `time.monotonic`.
    """

    actor: Actor | None
    name: str
    frames: tuple[tuple[str, str, int], ...]
    execution: Execution | None
    began_s: float

    @property
    def subject(self) -> str:
        """The app with its listener, job or method, such as ``hall.upstairs.on_motion``. Empty if no app did it."""
        if self.actor is None:
            return ""
        subject = subject_of(self.actor)
        return f"{subject}.{self.name}" if self.name else subject

    @property
    def source(self) -> str:
        """The app and its listener, job or method, such as ``on_motion of hall.upstairs``."""
        if self.actor is None:
            return self.name or UNKNOWN
        subject = subject_of(self.actor)
        return f"{self.name} of {subject}" if self.name else subject

    @property
    def where(self) -> str:
        """The line that blocked the loop, and the calls that led to it."""
        texts = [f"line {line} of {file} in {function}" for function, file, line in self.frames]
        if not texts:
            return "its code is unknown, because one call did not release the interpreter lock"
        _, file, line = self.frames[0]
        code = linecache.getline(file, line).strip()
        return f"{texts[0]}{f' ({code[:200]})' if code else ''}" + "".join(f", called in {each}" for each in texts[1:])


class LoopWatch(AsyncWithService):
    """Service that reports code that blocks the event loop. While one app blocks the loop, no app runs.

    If the event loop does not answer the thread of `LoopLag`, the thread reads the stack of the loop's thread. It finds
    the app and the run in the context of the running code, logs a warning at once, and adds a line to the run. When the
    loop runs again, the service records the event ``loop_blocked`` with the duration, and each run that had to wait
    gets a line.

    Args:
        executor: Records the event and the lines of the runs.
        blocked_s: Shortest reported block of the event loop, in seconds. The loop is checked every half a second, so a
            block shorter than this time plus half a second may not be noticed. 0 disables the service.

    Attributes:
        name: ``"loop watch"``.
        lag: Measures the delay of the loop.
    """

    name = "loop watch"

    def __init__(self, executor: CommandExecutor, *, blocked_s: float) -> None:
        self._executor = executor
        self._blocked_s = blocked_s
        self.lag = LoopLag(blocked_s, self._found, self._measured)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread_id = 0
        self._stopped = asyncio.Event()
        self._found_block: tuple[float, Block] | None = None
        self._last: tuple[Block, float] | None = None
        self._reports = BlockReports(executor.report)

    async def start(self) -> None:
        """Start the thread, unless the service is disabled."""
        self._stopped.clear()
        if not self._blocked_s:
            return
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._executor.in_flight.explain_waits(self._explain)
        self._executor.in_flight.late_ns = int(SHORT_S * 1e9)
        self.lag.start()

    async def serve(self) -> None:
        """Wait until the service is stopped."""
        await self._stopped.wait()

    async def stop(self) -> None:
        """End the thread."""
        self.lag.stop()
        self._reports.close()
        self._stopped.set()

    def _found(self, asked_s: float) -> bool:
        """Look at the blocked loop. Return whether the code that blocks it was found. The thread calls this."""
        assert self._loop is not None  # the thread starts after the loop is known
        frame = sys._current_frames().get(self._thread_id)  # pyright: ignore[reportPrivateUsage]  documented
        # If the loop waits for events, the machine is slow and not the code. If the process was stopped or suspended,
        # the loop may run other callbacks now. They have just begun, so they are not the cause.
        if frame is None or waits_for_events(frame) or (turn_s := _turn_s(frame, self._loop)) < self._blocked_s / 2:
            return False
        block = _block_of(frame, self._loop, asked_s, turn_s)
        self._found_block = asked_s, block
        seconds = time.monotonic() - block.began_s
        if block.execution is not None:
            text = f"the run blocks the event loop, and all apps wait: {block.where}"
            block.execution.add_line(logging.WARNING, __name__, text)
        logger.warning(
            "Code blocks the event loop; all apps wait",
            extra={**_facts(block), "seconds": round(seconds, 1), "where": block.where},
        )
        return True

    def _measured(self, delay: Delay) -> None:
        """Report the end of a block. `LoopLag` calls this after each measurement."""
        block = self._block_at(delay.asked_s)
        now_s = time.monotonic()
        if block is None:
            # A call that does not release the interpreter lock stops the thread as well. The process then uses the CPU.
            # Otherwise the machine was busy or suspended.
            if delay.seconds < self._blocked_s or delay.cpu_s < delay.seconds / 2:
                return
            block = Block(None, "", (), None, delay.asked_s)
        seconds = now_s - block.began_s
        self._last = (block, now_s)
        self._reports.add(block.subject, block.source, seconds, _sentence(block.where))
        for execution in self._executor.in_flight.executions():
            began_s = execution.started_ns / 1e9
            if execution is not block.execution and began_s < now_s - SHORT_S and _on_loop(execution):
                self._note_wait(execution, block, seconds)
        # Events that arrived during the block are read now. Their runs have waited, although their triggers look new.
        self._executor.in_flight.late_ns = -1
        assert self._loop is not None  # `start` has set it
        self._loop.call_later(AFTER_S, self._end_after, context=contextvars.Context())

    def _block_at(self, asked_s: float | None) -> Block | None:
        """Return the block that the thread has found in this measurement, if any."""
        # The thread may have found a block while the loop answered. That block has ended and must not be used later.
        found = self._found_block
        return found[1] if found is not None and found[0] == asked_s else None

    def _end_after(self) -> None:
        self._executor.in_flight.late_ns = int(SHORT_S * 1e9)

    def _explain(self, execution: Execution) -> str | None:
        """Return the sentence for a run that begins after a block."""
        now_s, waited_s = time.monotonic(), (execution.started_ns - execution.command.ready_ns) / 1e9
        if (block := self._block_at(self.lag.unanswered_s)) is not None:  # it has just ended, and is not reported yet
            seconds = now_s - block.began_s
        elif self._last is not None and now_s - self._last[1] <= max(AFTER_S, waited_s):
            block, ended_s = self._last
            seconds = ended_s - block.began_s
        else:
            return None
        if block.execution is execution:
            return None
        return f"the run began late: {block.source} blocked the event loop for {seconds:.1f} s until just before"

    def _note_wait(self, execution: Execution, block: Block, seconds: float) -> None:
        text = f"the run waited up to {seconds:.1f} s, because {block.source} blocked the event loop"
        execution.add_line(logging.WARNING, __name__, text)


def _on_loop(execution: Execution) -> bool:
    return execution.command.registration.runs_in == "async"


def _facts(block: Block) -> dict[str, Any]:
    facts: dict[str, Any] = {"code": block.name}
    if block.actor is not None:
        facts |= {"app": subject_of(block.actor), "registration": block.actor}
    return facts


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _turn_s(frame: FrameType, loop: asyncio.AbstractEventLoop) -> float:
    """Return for how many seconds the loop has been running the callbacks that were due together."""
    turn = next((each for each in _frames(frame) if each.f_code.co_name == TURN), None)
    # The loop has set this variable just before the first callback. Without it, the time is not known.
    began_s = None if turn is None else turn.f_locals.get("end_time")
    return loop.time() - began_s if isinstance(began_s, float) else inf


def _block_of(frame: FrameType, loop: asyncio.AbstractEventLoop, asked_s: float, turn_s: float) -> Block:
    """Return the block whose code is at this frame."""
    outermost_first = [*_frames(frame)][::-1]
    context = next((found for each in outermost_first if (found := _context_of(each)) is not None), None)
    actor = None if context is None else context.get(ACTOR) or None
    execution = None if context is None else execution_in(context)
    began_s = max(asked_s - INTERVAL_S, time.monotonic() - turn_s)
    if execution is not None:
        began_s = max(began_s, min(execution.started_ns / 1e9, asked_s))
    code = _app_frames(outermost_first)
    name = actor[2] if actor is not None and len(actor) > 2 else ""
    if actor is None:
        name = _module_of(outermost_first)
    if actor is not None and not name:
        task = asyncio.current_task(loop)
        title = task.get_name() if isinstance(task, GuardedTask) and task.actor else ""
        name = title.rpartition(" ")[2] or (code[-1][0].rpartition(".")[2] if code else "")
    return Block(actor, name, code, execution, began_s)


def _module_of(outermost_first: Sequence[FrameType]) -> str:
    """Return the innermost module of the framework that a callback runs; without one, the module that it called first.

    A library that blocks the loop, such as a compression, is called by a service. The module names this service.
    """
    callback = max((number for number, each in enumerate(outermost_first) if each.f_code is CALLBACK), default=-1)
    called = [str(each.f_globals.get("__name__", "")) for each in outermost_first[callback + 1 :]]
    of_framework = [module for module in called if module.partition(".")[0] in _FRAMEWORK]
    return of_framework[-1] if of_framework else next((module for module in called if module), "")


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _context_of(frame: FrameType) -> contextvars.Context | None:
    """Return the context of a callback of the event loop, if the frame is its `asyncio.Handle`."""
    if frame.f_code is not CALLBACK:
        return None
    return getattr(frame.f_locals.get("self"), "_context", None)


def _app_frames(outermost_first: Sequence[FrameType]) -> tuple[tuple[str, str, int], ...]:
    """Return the frames of the app, innermost first. If there is no app, return the innermost frames.

    The frames of a library that the app calls are left out, because the line of the app shows the call.
    """
    begin = (
        max((number for number, each in enumerate(outermost_first) if _context_of(each) is not None), default=-1) + 1
    )
    called = [each for each in outermost_first[begin:] if not _is_library(each)]
    chosen = called or outermost_first
    return tuple(
        (each.f_code.co_qualname, each.f_code.co_filename, each.f_lineno) for each in chosen[: -MAX_FRAMES - 1 : -1]
    )


def _is_library(frame: FrameType) -> bool:
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    file = frame.f_code.co_filename
    return package in _OURS or file.startswith((*_LIBRARIES, "<frozen")) or "site-packages" in file
