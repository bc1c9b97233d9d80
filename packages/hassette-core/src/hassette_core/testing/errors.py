"""Errors of the testing kit.

A user of the framework without tests does not see them, so `hassette_core.errors` does not list them.
"""

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
    """A run failed, and the test neither looked at it nor expected it.

    Args:
        failures: The failed runs, one line each.
    """

    def __init__(self, failures: list[str]) -> None:
        lines = "".join(f"\n  {failure}" for failure in failures)
        hint = "If the test expects this, look at home.runs() or call home.expect_failures()"
        super().__init__(f"{len(failures)} of the runs failed during the test:{lines}\n{hint}")
