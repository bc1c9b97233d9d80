"""Errors of the executor, named by situation.

Exception
└── HassetteError                 root of all errors that Hassette raises on purpose
    ├── CalledOnLoopError         a call that waits for the event loop was made on the event loop
    ├── DependencyError           the parameters of a handler could not be provided
    ├── ExecutorStoppedError      execute() before start() or after stop()
    ├── ExecutionTimeoutError     passed to an error hook when a run exceeded its deadline
    ├── GeneratorReturnedError    a plain function returned a generator, which has run nothing
    ├── LoopCallsClosedError      a thread waits for the event loop, but its app has stopped
    ├── RecordsRefusedError       raised by a sink that stores nothing until a setting is corrected
    ├── SettingError              the value of a setting is not allowed (also a ValueError)
    └── SubscriberTooSlowError    a live subscriber was too slow and was disconnected
"""


class HassetteError(Exception):
    """Root of every error that Hassette raises on purpose.

    If a handler raises a `HassetteError`, its run is recorded as an ``error`` without a traceback. Therefore the
    message must explain the failure completely.
    """


class CalledOnLoopError(HassetteError):
    """A call that waits for the event loop was made on the event loop. The loop would wait for itself for ever.

    Args:
        what: The call, such as ``self.api.call_service``.
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} waits for the event loop, so code on the event loop cannot call it; call it in a plain `def`"
            " handler, which runs in a thread, or use App and `async def`"
        )


class DependencyError(HassetteError):
    """The annotated parameters of a handler could not be provided, so the handler was not called."""


class ExecutorStoppedError(HassetteError):
    """``execute`` was called before ``start`` or after ``stop``."""

    def __init__(self) -> None:
        super().__init__("the executor accepts no commands before start() and after stop()")


class ExecutionTimeoutError(HassetteError, TimeoutError):
    """A run exceeded its deadline.

    Args:
        timeout_s: The deadline, in seconds from the start of the run.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"did not end within its deadline of {timeout_s:g} s")
        self.timeout_s = timeout_s


class GeneratorReturnedError(HassetteError):
    """A plain ``def`` or a lambda returned a generator, such as ``(call(x) for x in rooms)``, so no call was made."""

    def __init__(self) -> None:
        super().__init__(
            "the function returned a generator, which has run nothing: write a `for` loop in place of the generator"
        )


class LoopCallsClosedError(HassetteError):
    """A thread called a method that waits for the event loop, but the app of the thread or the framework has stopped.

    Args:
        what: The call, such as ``self.api.call_service``.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was called after the app had stopped; end the threads of an app in its on_shutdown")


class RecordsRefusedError(HassetteError):
    """A sink stores nothing until a setting is corrected, for example a wrong token. The sink has logged the reason.

    The write queue keeps the records and retries, but does not log each failure. At the stop, the queue retries only
    once, so that such a sink does not delay the stop.
    """


class SettingError(HassetteError, ValueError):
    """The value of a setting is not allowed.

    Args:
        key: The setting.
        value: The rejected value.
        expected: The allowed values, such as ``at least 1``.

    Example:
        >>> print(SettingError("threads", 0, "at least 1"))
        threads must be at least 1, got 0
    """

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"{key} must be {expected}, got {value!r}")


class SubscriberTooSlowError(HassetteError):
    """A live subscriber was too slow and was disconnected.

    Args:
        limit: How many records could wait for this subscriber. The number is lower if the limit in bytes was exceeded
            first.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"disconnected: more than {limit} records were waiting for this subscriber")
