"""Classification: the status of a run, decided from its exception.

`classify` is a pure function; docs/architecture.md shows it as a table.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

from hassette_executor.errors import DependencyError, HassetteError
from hassette_executor.records.runs import Status


class Outcome(NamedTuple):
    """The consequences of a run's exception.

    Attributes:
        status: The status of the record.
        kind: The kind of the failure; None if no failure is recorded.
        with_frames: Whether the record contains the traceback.
        reraise: Whether `CommandExecutor.execute` raises the exception again.
    """

    status: Status
    kind: str | None
    with_frames: bool
    reraise: bool


SUCCEEDED = Outcome(Status.SUCCESS, None, False, False)
CANCELLED = Outcome(Status.CANCELLED, None, False, True)
DEPENDENCY_MISSING = Outcome(Status.ERROR, "dependency", False, False)
EXPECTED_ERROR = Outcome(Status.ERROR, "hassette", False, False)
TIMED_OUT = Outcome(Status.TIMED_OUT, "timeout", True, False)
FAILED = Outcome(Status.ERROR, "exception", True, False)
INTERPRETER_EXIT = Outcome(Status.ERROR, "exit", True, True)
_LONGEST_CONTEXT = 32
# A constant, because `Exception | CancelledError` in the function would be created again for each run.
_ORDINARY = (Exception, asyncio.CancelledError)
# Read the built-in attribute directly: a class may override the attribute with code that raises.
_read_context = cast("Callable[[BaseException], BaseException | None]", BaseException.__dict__["__context__"].__get__)


def replaces_cancellation(raised: BaseException, pending: int = 0) -> bool:
    """Return whether the current task is being cancelled, and this exception has replaced the CancelledError.

    The run failed with this exception, but the task must still end as cancelled.

    Args:
        raised: The exception.
        pending: Number of cancellation requests that were pending at the start of the run. On Python 3.11 and 3.12, a
            failed `asyncio.TaskGroup` of an earlier run in the same task leaves such a request.
    """
    found = _read_context(raised)
    if found is None:  # checked first: most failures have no context, and current_task takes 0.4 µs on Python 3.11
        return False
    task = asyncio.current_task()
    if task is None or task.cancelling() <= pending:
        return False
    for _ in range(_LONGEST_CONTEXT):
        if found is None or issubclass(type(found), asyncio.CancelledError):
            break
        found = _read_context(found)
    return issubclass(type(found), asyncio.CancelledError)


def classify(raised: BaseException | None, *, expired: bool, cancelled: bool) -> Outcome:
    """Return the outcome of a run.

    Args:
        raised: The exception that the callable raised; None if it returned.
        expired: Whether the deadline had passed and the executor cancelled the run.
        cancelled: Whether the task was also cancelled from outside.
    """
    # `isinstance` may read the attribute `__class__` of the exception, which may be code of an app that raises.
    cls = type(raised)
    if raised is not None and not issubclass(cls, _ORDINARY):
        return INTERPRETER_EXIT
    if expired and not (cancelled and issubclass(cls, asyncio.CancelledError)):
        # The run exceeded its deadline, whatever its clean-up after the cancellation has returned or raised.
        return TIMED_OUT
    if raised is None:
        return SUCCEEDED
    if issubclass(cls, asyncio.CancelledError):
        return CANCELLED
    # DependencyError is a HassetteError, so it is checked first.
    if issubclass(cls, DependencyError):
        return DEPENDENCY_MISSING
    if issubclass(cls, HassetteError):
        return EXPECTED_ERROR
    return FAILED
