"""What can go wrong, named by situation.

Exception
└── HassetteError                 anything that Hassette itself raises or foresees
├── DependencyError           a handler's parameters could not be provided
├── ExecutorStoppedError      execute() before start() or after stop()
├── ExecutionTimeoutError     what an error hook sees of a run that exceeded its deadline
├── SettingError              a setting has a value that it cannot have (also a ValueError)
└── SubscriberTooSlowError    a live subscriber fell behind and was cut off
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

    def __init__(self) -> None:
        super().__init__("the executor takes no commands before start() and after stop()")


class ExecutionTimeoutError(HassetteError, TimeoutError):
    """A run exceeded its deadline.

    Args:
        timeout_s: The deadline, in seconds from the start of the run.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"did not end within its deadline of {timeout_s:g} s")
        self.timeout_s = timeout_s


class SettingError(HassetteError, ValueError):
    """A setting has a value that it cannot have.

    Args:
        key: The setting.
        value: What was given.
        expected: What would be right.
    """

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"{key} must be {expected}, got {value!r}")


class SubscriberTooSlowError(HassetteError):
    """A live subscriber fell behind and was cut off.

    Args:
        limit: How many records may wait for one subscriber.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"cut off: more than {limit} records were waiting for this subscriber")
