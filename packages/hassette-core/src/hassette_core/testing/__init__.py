"""Test apps: a home with a clock that the test moves.

The pytest plugin (`hassette_core.testing.plugin`) provides the fixture ``home``, a `HomeUnderTest`. The home runs on
its own event loop (`VirtualLoop`) in a thread (`HomeThread`), so it serves plain ``def`` tests and all kinds of
``async def`` tests. Threads of handlers and the loop take turns (`Turns`), so that a test always has the same result.
"""

import typing

from hassette_core import lazy_names

if typing.TYPE_CHECKING:
    from hassette_core.testing.errors import HomeTestError, NotSettledError, UnexpectedFailureError
    from hassette_core.testing.failures import HomeFailures
    from hassette_core.testing.home import HomeUnderTest
    from hassette_core.testing.home_thread import Done
    from hassette_core.testing.observations import NotRunSample, SeenCall, SeenNotRun, SeenRun
    from hassette_core.testing.timeline import HomeTimeline, TimelineEntry

__all__ = [
    "Done",
    "HomeFailures",
    "HomeTestError",
    "HomeTimeline",
    "HomeUnderTest",
    "NotRunSample",
    "NotSettledError",
    "SeenCall",
    "SeenNotRun",
    "SeenRun",
    "TimelineEntry",
    "UnexpectedFailureError",
]

# pytest imports this package in every test run, because it contains the plugin. Only a test that uses the home waits
# for the import of the framework.
__getattr__, __dir__ = lazy_names.lazy_attributes(
    __name__,
    {
        "hassette_core.testing.errors": ["HomeTestError", "NotSettledError", "UnexpectedFailureError"],
        "hassette_core.testing.failures": ["HomeFailures"],
        "hassette_core.testing.home": ["HomeUnderTest"],
        "hassette_core.testing.home_thread": ["Done"],
        "hassette_core.testing.observations": ["NotRunSample", "SeenCall", "SeenNotRun", "SeenRun"],
        "hassette_core.testing.timeline": ["HomeTimeline", "TimelineEntry"],
    },
)
