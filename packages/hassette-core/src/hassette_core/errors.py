"""Errors that core raises, named by situation.

All errors are subclasses of `HassetteError`. If a handler raises such an error, the run is recorded without a
traceback, because the message explains the failure completely::

    HassetteError (in hassette-executor)
    └── CoreError
        ├── FatalError                    the process ends with this message and a non-zero exit code
        │   ├── StartFailedError          a required service could not start
        │   ├── ServiceExhaustedError     a required service crashed more often than its budget allows
        │   └── ConfigError               hassette.toml or the environment is wrong
        ├── AppLoadError                  an app could not be loaded; the other apps keep running
        ├── AppLookupError                self.apps has no such running app (also a LookupError)
        ├── StorageError                  self.storage cannot store a value or read its file
        ├── AppExitError                  a task of an app called sys.exit(); only that task ended
        ├── MomentUnknownError            the time of a moment is unknown, such as sunset without a location
        ├── CallNotAwaitedError           an app made a coroutine and never awaited it
        ├── WrongLoopError                an app ran a coroutine of the API on another event loop
        ├── RegistrationError             a listener or job was registered with options that cannot work
        ├── RefusedError                  the simulated home rejects a command, with Home Assistant's message
        ├── NotConfirmedError             the home did not reach the expected states of a call
        ├── HomeUnknownError              the registries of Home Assistant have not been read yet
        ├── UnknownNameError              the home has no area, floor, label or device of this name
        ├── WaitTimeoutError              bus.wait_for waited too long (also a TimeoutError)
        ├── UnknownEntityError            states[…] has no such entity (also a KeyError)
        ├── RehearsalError                the app rehearses, so a change of the home is not sent
        └── LinkError                     communication with Home Assistant failed
            ├── UrlError                  the configured address is not valid (also a FatalError)
            ├── AuthenticationError       Home Assistant refused the token (also a FatalError)
            ├── UnreachableError          no server answers at the address
            ├── NotConnectedError         not connected, or the connection was lost before the answer
            ├── CallFailedError           Home Assistant answered with an error
            ├── NoAnswerError             Home Assistant did not answer in time
            ├── UnexpectedAnswerError     the answer has an unknown shape
            └── UnreadableEventError      an event has an unknown shape
"""

from collections.abc import Mapping
from typing import Any

from hassette_core.descriptions import MAX_DESCRIPTION, MAX_UNMASKED, describe_error, line_in, where_raised
from hassette_executor import HassetteError

# Code that raises or catches an error often describes one.
__all__ = [
    "MAX_DESCRIPTION",
    "MAX_UNMASKED",
    "AppExitError",
    "AppLoadError",
    "AppLookupError",
    "AuthenticationError",
    "CallFailedError",
    "CallNotAwaitedError",
    "ConfigError",
    "CoreError",
    "FatalError",
    "HomeUnknownError",
    "LinkError",
    "MomentUnknownError",
    "NoAnswerError",
    "NotConfirmedError",
    "NotConnectedError",
    "RefusedError",
    "RegistrationError",
    "RehearsalError",
    "ServiceExhaustedError",
    "StartFailedError",
    "StorageError",
    "UnexpectedAnswerError",
    "UnknownEntityError",
    "UnknownNameError",
    "UnreachableError",
    "UnreadableEventError",
    "UrlError",
    "WrongLoopError",
    "describe_error",
    "line_in",
    "where_raised",
]


class CoreError(HassetteError):
    """Base class of all errors that core raises."""


class FatalError(CoreError):
    """The process cannot go on, and a retry cannot help. The supervisor ends the process with this error's message."""


class StartFailedError(FatalError):
    """A required service could not start.

    Args:
        name: Name of the service.
        problem: Description of the error that its start raised.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"the {name} could not start: {problem}")


class ServiceExhaustedError(FatalError):
    """A required service crashed more often than its budget allows.

    Args:
        name: Name of the service.
        budget: Number of crashes allowed.
        window_s: Length of the window in which crashes are counted, in seconds.
        problem: Description of the last crash.
    """

    def __init__(self, name: str, budget: int, window_s: float, problem: str) -> None:
        super().__init__(f"the {name} crashed more than {budget} times within {window_s:g} s; last error: {problem}")


class ConfigError(FatalError):
    """The configuration is wrong. The message names the file, the key and the expected value."""


class AppLoadError(CoreError):
    """An app could not be loaded. The message names the app and how to fix it; the other apps keep running."""


class AppLookupError(CoreError, LookupError):
    """``self.apps`` has no such running app. The message explains how to fix it."""


class StorageError(CoreError, ValueError):
    """``self.storage`` cannot store a value, or cannot read its file. The message explains how to fix it."""


class AppExitError(CoreError):
    """A task of an app called ``sys.exit()`` or raised `KeyboardInterrupt`. Only that task ended.

    Code that awaits the task receives this error in place of the original exception, which is its ``__cause__``.

    Args:
        app: The app, such as ``hall.upstairs``.
        problem: Description of the exception, with the line that raised it.
    """

    def __init__(self, app: str, problem: str) -> None:
        super().__init__(f"a task of the app {app} tried to end the process: {problem}; only a signal can end it")


class CallNotAwaitedError(CoreError):
    """An app made a coroutine and never awaited it, so its code did not run.

    Args:
        call: The call, such as ``self.api.call_service('light', 'turn_on')``.
        is_request: Whether the coroutine is a request of the API. Otherwise, it is an ``async def`` of an app.
    """

    def __init__(self, call: str, *, is_request: bool) -> None:
        effect = "it was not sent" if is_request else "its code did not run"
        blocking = "derive the app from SyncApp" if is_request else "in a SyncApp pass the coroutine to self.wait()"
        fix = f"write await before it. A plain `def` cannot await: make it an `async def`, or {blocking}"
        super().__init__(f"{call} was never awaited, so {effect}: {fix}")


class WrongLoopError(CoreError):
    """An app ran a coroutine of the API, such as ``self.api.turn_on``, on a separate event loop (``asyncio.run``)."""

    def __init__(self, call: str) -> None:
        super().__init__(
            f"{call} works only on the event loop of Hassette, and the app ran it on another one, such as that of"
            " asyncio.run(): make the handler an `async def` and write await, or derive the app from SyncApp."
            " In a test, pass the coroutine to home.run()"
        )


class RegistrationError(CoreError):
    """A listener or job was registered with options that cannot work. The message suggests a fix."""


class MomentUnknownError(CoreError):
    """The time of a moment is unknown at present.

    Args:
        subject: The unknown value, such as ``the time of input_datetime.wake_up``.
        reason: The reason why it is unknown.
    """

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject} is unknown: {reason}")


class WaitTimeoutError(CoreError, TimeoutError):
    """`AppBus.wait_for` waited for an event or a condition for too long."""

    def __init__(self, what: str, waited: str) -> None:
        super().__init__(f"timed out after {waited} while waiting for: {what}")


class UnknownEntityError(CoreError, KeyError):
    """``states[…]`` has no such entity.

    The error is also a `KeyError`, because a mapping raises a `KeyError` for an unknown key.

    Args:
        entity_id: The requested entity.
    """

    def __init__(self, entity_id: str) -> None:
        super().__init__(f"Home Assistant has no entity {entity_id!r}; states.get() returns None instead")
        self.entity_id = entity_id

    def __str__(self) -> str:
        # KeyError would show the repr of its argument.
        return str(self.args[0])


class HomeUnknownError(CoreError):
    """The registries of Home Assistant, such as its areas, have not been read yet."""

    def __init__(self) -> None:
        super().__init__("the areas and devices of the home are not known yet; call await self.home.wait_known() first")


class UnknownNameError(CoreError, LookupError):
    """The home has no area, floor, label or device of this name. The message contains similar names."""


class RehearsalError(CoreError):
    """The app rehearses, so a change of the home is not sent.

    The methods of `Api` record the change and return an answer. This error means that there is no answer: the service
    must return a response, or the app does not use `Api`.

    Args:
        action: The requested action, such as ``call weather.get_forecasts``.
        reason: The reason why there is no answer.
    """

    def __init__(self, action: str, reason: str) -> None:
        super().__init__(f"cannot {action}: {reason}")


class LinkError(CoreError):
    """Base class of errors in the communication with Home Assistant. No message contains the token."""


class UrlError(LinkError, FatalError):
    """The configured address of Home Assistant is not valid.

    Args:
        url: The configured address, without parts that may contain a password or token.
        expected: Description of a valid address. The message contains it after "home_assistant.url must be".
    """

    def __init__(self, url: str, expected: str) -> None:
        super().__init__(f"home_assistant.url must be {expected}, such as http://homeassistant.local:8123, got {url!r}")


class AuthenticationError(LinkError, FatalError):
    """Home Assistant refused the token.

    The link does not try again, because Home Assistant can ban this machine after several failed attempts.

    Args:
        url: Home Assistant's address.
    """

    def __init__(self, url: str) -> None:
        super().__init__(
            f"Home Assistant at {url} refused the access token; create a long-lived token in your Home Assistant"
            " profile, under Security, and set it as HASSETTE__HOME_ASSISTANT__TOKEN or as token in [home_assistant]"
        )


class UnreachableError(LinkError):
    """No server answers at the address of Home Assistant: it does not run, or the name or the network is wrong.

    Args:
        url: Home Assistant's address.
        problem: Description of the failure.
    """

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"cannot connect to {url}: {problem}")


class NotConnectedError(LinkError):
    """There is no connection to Home Assistant, or the connection was lost before the answer.

    Args:
        action: The requested action, such as ``call light.turn_on``.
        sent: True if the request had been sent, so that Home Assistant may have carried it out.
    """

    def __init__(self, action: str, *, sent: bool = False) -> None:
        super().__init__(
            f"cannot {action}: the connection to Home Assistant was lost before the answer;"
            " Home Assistant may still carry out the request"
            if sent
            else f"cannot {action}: not connected to Home Assistant"
        )
        self.sent = sent


class CallFailedError(LinkError):
    """Home Assistant answered a request with an error.

    Args:
        action: The requested action, such as ``call light.turn_on``.
        reason: Home Assistant's message.
        code: Home Assistant's error code, such as ``not_found``. For a REST request, the HTTP status, such as ``404``.
    """

    def __init__(self, action: str, reason: str, code: str = "") -> None:
        super().__init__(f"cannot {action}: Home Assistant answered: {reason}")
        self.reason = reason
        self.code = code


class NoAnswerError(LinkError):
    """Home Assistant did not answer in time. It may still carry out the request.

    Args:
        action: The requested action, such as ``call light.turn_on``.
        waited_s: Time for which the request waited for an answer, in seconds.
    """

    def __init__(self, action: str, waited_s: float) -> None:
        super().__init__(f"cannot {action}: Home Assistant did not answer within {waited_s:g} s")
        self.waited_s = waited_s


class NotConfirmedError(CoreError):
    """The home did not reach the expected states of a service call.

    Args:
        service: The service, such as ``light.turn_on``.
        expected: Descriptions of the expected values that were not there, by entity id. For an attribute, the key is
            the entity id and the name of the attribute, such as ``light.hall brightness``.
        seen: The last values in their place, with the same keys. None if there is no such entity or attribute.
        attempts: Number of times that the call was sent.
        within_s: Time for which each attempt waited for the effect, in seconds.
        answered: Whether Home Assistant has answered the last attempt.
    """

    def __init__(
        self,
        service: str,
        expected: Mapping[str, str],
        seen: Mapping[str, Any],
        attempts: int,
        within_s: float,
        *,
        answered: bool = True,
    ) -> None:
        tried = "" if attempts == 1 else f", in {attempts} attempts,"
        unmet = "; ".join(f"{name} {text}, got {seen[name]!r}" for name, text in expected.items())
        silent = "" if answered else "; Home Assistant has not answered yet"
        super().__init__(f"{service} was not confirmed{tried} within {within_s:g} s: {unmet}{silent}")
        self.service = service
        self.expected = expected
        self.seen = seen
        self.attempts = attempts
        self.within_s = within_s
        self.answered = answered


class UnexpectedAnswerError(LinkError):
    """Home Assistant's answer has an unknown shape.

    Args:
        action: The requested action.
        what: The missing or wrong part of the answer.
    """

    def __init__(self, action: str, what: str) -> None:
        super().__init__(f"cannot {action}: the answer of Home Assistant has an unexpected shape: {what}")


class UnreadableEventError(LinkError):
    """An event from Home Assistant has an unknown shape. The event is logged and ignored.

    Args:
        what: The missing or wrong part of the event, such as ``KeyError('context')``.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"the event has an unexpected shape: {what}")


class RefusedError(CoreError):
    """The simulated home rejects a command. The client receives an error result in Home Assistant's form.

    Args:
        code: Error code, such as ``not_found``.
        message: Home Assistant's message.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
