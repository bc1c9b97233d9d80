"""`HookCall`: one call of a hook in progress, in a context variable that tasks and threads inherit."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from hassette_executor.errors import HassetteError


class HookCall:
    """One call of a hook in progress. Other code can let it fail, as `Execution.fail` does for a run. Thread-safe."""

    __slots__ = ("_ended", "_lock", "_problem")

    def __init__(self) -> None:
        self._problem: HassetteError | None = None
        self._ended = False
        # Reentrant: garbage collection may call `fail` in a thread that already holds the lock.
        self._lock = threading.RLock()

    def fail(self, problem: HassetteError) -> bool:
        """Let the call fail with this error, even if the hook returns. Return False, without an effect, after its end.

        Only the first error counts.
        """
        with self._lock:
            if self._ended:
                return False
            self._problem = self._problem or problem
            return True

    def end(self) -> HassetteError | None:
        """End the call. Return the error with which other code has let it fail, if any."""
        with self._lock:
            self._ended = True
        return self._problem


_current: ContextVar[HookCall | None] = ContextVar("hassette_current_hook_call", default=None)
current_hook_call = _current.get
"""Return the call of a hook that the calling code belongs to; None outside of such a call."""


@contextmanager
def hook_call() -> Generator[HookCall]:
    """Make a new call the current one for the ``with`` block. It ends with the block, also after an exception.

    Raises:
        HassetteError: Other code has let the call fail.
    """
    call = HookCall()
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)
        problem = call.end()
    if problem is not None:
        raise problem
