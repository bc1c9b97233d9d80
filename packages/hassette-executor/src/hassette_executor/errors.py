"""What can go wrong, named by situation.

    Exception
    └── HassetteError            anything that Hassette itself raises or foresees
        ├── DependencyError      a handler's parameters could not be provided
        └── ExecutorStoppedError execute() was called before start or after stop
"""


class HassetteError(Exception):
    """Root of every error that Hassette raises on purpose.

    A handler that raises one is recorded as an ``error`` without a traceback:
    the message is expected to say all that a person needs.
    """


class DependencyError(HassetteError):
    """A handler's annotated parameters could not be provided, so it did not start."""


class ExecutorStoppedError(HassetteError):
    """``execute`` was called on an executor that does not take commands (any more)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} takes no commands before start() and after stop()")
