"""What can go wrong in core, named by situation.

    HassetteError                     (hassette-executor) recorded without a traceback: the message says it all
    └── CoreError
        ├── FatalError                a marker: the process ends with this one sentence and a non-zero exit code
        │   ├── StartFailedError      a part that nothing works without could not start
        │   └── ServiceExhaustedError such a part crashed more often than its budget allows
        ├── ConfigError               hassette.toml or the environment is wrong (fatal)
        ├── AppLoadError              one app cannot be loaded; the others run on
        ├── RegistrationError         an app registers a handler or job in a way that cannot work
        ├── RefusedError              the simulated home refuses a command, in Home Assistant's words
        ├── UnknownEntityError        states[…] holds no such entity (also a KeyError)
        └── LinkError                 anything about talking to Home Assistant
            ├── UrlError              the configured address is not one (fatal)
            ├── AuthenticationError   Home Assistant refused the token (fatal)
            ├── NotConnectedError     there is no connection, or it went away before the answer
            ├── CallFailedError       Home Assistant answered: no
            ├── NoAnswerError         Home Assistant did not answer in time
            ├── UnexpectedAnswerError Home Assistant's answer has a shape that we do not know
            └── UnreadableEventError  an event has a shape that we do not know

Each part of core adds its own classes below the family's root and to this drawing.
"""

from hassette_executor import HassetteError


class CoreError(HassetteError):
    """Root of every error that core raises."""


class FatalError(CoreError):
    """Marks what no retry can mend: the supervisor ends the process, saying this error's text and nothing else."""


# ---------------------------------------------------------------- lifecycle


class StartFailedError(FatalError):
    """A part that nothing works without could not start.

    Args:
        name: The part.
        problem: What it said.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"the {name} could not start: {problem}")


class ServiceExhaustedError(FatalError):
    """A part that nothing works without crashed more often than its budget allows.

    Args:
        name: The part.
        budget: How many crashes are forgiven.
        window_s: Within how many seconds.
        problem: What the last crash said.
    """

    def __init__(self, name: str, budget: int, window_s: float, problem: str) -> None:
        super().__init__(f"the {name} crashed more than {budget} times within {window_s:g} s, at last with: {problem}")


# ---------------------------------------------------------------- configuration


class ConfigError(FatalError):
    """The configuration is wrong; the text names the file, the key and what was expected."""


# ---------------------------------------------------------------- apps


class AppLoadError(CoreError):
    """One app cannot be loaded; the text names the app and the mend. The other apps run on."""


class RegistrationError(CoreError):
    """An app asked for a listener or a job that cannot be; the text proposes one that can."""


# ---------------------------------------------------------------- states


class UnknownEntityError(CoreError, KeyError):
    """``states[…]`` holds no such entity; it is a `KeyError` too, as of any mapping.

    Args:
        entity_id: The entity asked for.
    """

    def __init__(self, entity_id: str) -> None:
        super().__init__(f"Home Assistant has no entity {entity_id!r}; states.get() returns None instead")

    def __str__(self) -> str:
        # KeyError would show the repr of its argument.
        return str(self.args[0])


# ---------------------------------------------------------------- the link to Home Assistant


class LinkError(CoreError):
    """Root of what goes wrong between us and Home Assistant. No text holds the token."""


class UrlError(LinkError, FatalError):
    """The configured address of Home Assistant is not one.

    Args:
        url: As configured; a password in it is not repeated.
        problem: What is wrong with it, as the end of a sentence.
    """

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            f"Home Assistant's address {url!r} {problem}; it should look like http://homeassistant.local:8123"
        )


class AuthenticationError(LinkError, FatalError):
    """Home Assistant refused the token: trying again would only get us banned.

    Args:
        url: Home Assistant's address.
    """

    def __init__(self, url: str) -> None:
        super().__init__(
            f"Home Assistant at {url} refused the access token; make a long-lived one in your profile there,"
            " under Security, and put it in HASSETTE__HOME_ASSISTANT__TOKEN or in [home_assistant] token"
        )


class NotConnectedError(LinkError):
    """There is no connection to Home Assistant, or it went away before the answer came.

    Args:
        action: What was to be done, such as ``call light.turn_on``.
        sent: True when it had been sent, so that Home Assistant may have done it all the same.
    """

    def __init__(self, action: str, *, sent: bool = False) -> None:
        super().__init__(
            f"cannot {action}: the connection to Home Assistant was lost before the answer, so it may have been done"
            if sent
            else f"cannot {action}: not connected to Home Assistant"
        )
        self.sent = sent


class CallFailedError(LinkError):
    """Home Assistant answered that it cannot do what was asked.

    Args:
        action: What was to be done, such as ``call light.turn_on``.
        reason: Home Assistant's own words.
    """

    def __init__(self, action: str, reason: str) -> None:
        super().__init__(f"cannot {action}: Home Assistant says: {reason}")
        self.reason = reason


class NoAnswerError(LinkError):
    """Home Assistant is connected but did not answer in time; it may do what was asked all the same.

    Args:
        action: What was to be done, such as ``call light.turn_on``.
        waited_s: How long we waited, in seconds.
    """

    def __init__(self, action: str, waited_s: float) -> None:
        super().__init__(f"cannot {action}: Home Assistant did not answer within {waited_s:g} s")
        self.waited_s = waited_s


class UnexpectedAnswerError(LinkError):
    """Home Assistant's answer has a shape that we do not know.

    Args:
        action: What was to be done.
        what: The part that is missing or wrong.
    """

    def __init__(self, action: str, what: str) -> None:
        super().__init__(f"cannot {action}: the answer is not what Home Assistant should send: {what}")


class UnreadableEventError(LinkError):
    """A message from Home Assistant has a shape that we do not know; it is counted and passed over.

    Args:
        what: The part that is missing or wrong, such as ``KeyError('context')``.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"this is not an event as Home Assistant sends them: {what}")


# ---------------------------------------------------------------- the simulated home


class RefusedError(CoreError):
    """The simulated home refuses a command. It goes to the client as an error result, like Home Assistant's.

    Args:
        code: Such as ``not_found``.
        message: Home Assistant's words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
