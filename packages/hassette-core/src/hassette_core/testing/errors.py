"""Errors of the testing kit.

A user of the framework without tests does not see them, so `hassette_core.errors` does not list them.
"""

from collections.abc import Sequence

from hassette_core.errors import CoreError


class HomeTestError(CoreError):
    """A test asks the home under test for something that cannot work. The message explains how to fix the test."""


class NotSettledError(HomeTestError):
    """The home under test makes no progress: a handler blocks it, or never ends.

    Args:
        problem: The behaviour of the home, as a clause that begins with "it".
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"the home under test does not settle: {problem}")


class UnexpectedFailureError(HomeTestError, AssertionError):
    """A run, a hook, a condition or a service failed, and the test neither looked at it nor expected it.

    Args:
        runs: The failed runs, one text each.
        others: The other failures, one text each.
    """

    def __init__(self, runs: Sequence[str], others: Sequence[str] = ()) -> None:
        lines: list[str] = []
        if runs:
            lines += [f"{len(runs)} of the runs failed during the test:", *(f"  {each}" for each in runs)]
            lines.append("If the test expects this, look at home.runs() or call home.expect_failures()")
        if others:
            failures = "1 failure" if len(others) == 1 else f"{len(others)} failures"
            lines += [f"{failures} outside of runs during the test:", *(f"  {each}" for each in others)]
            lines.append("If the test expects this, call home.expect_failures()")
        super().__init__("\n".join(lines))
