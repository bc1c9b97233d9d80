"""What ``hassette`` ends with."""

from enum import IntEnum

from hassette_core.errors import AuthenticationError, ConfigError, UrlError


class ExitCode(IntEnum):
    """The process's exit codes."""

    OK = 0
    """It did what it was asked to, a clean stop by a signal included."""
    TROUBLE = 1
    """It could not go on; starting it again later may help."""
    USAGE = 2
    """The command line or the configuration is wrong: a person must mend it."""
    AUTHENTICATION = 3
    """Home Assistant refused the token: a person must mend it."""


def exit_code_for(error: Exception) -> ExitCode:
    """Return what to end with after an error."""
    if isinstance(error, AuthenticationError):
        return ExitCode.AUTHENTICATION
    return ExitCode.USAGE if isinstance(error, ConfigError | UrlError) else ExitCode.TROUBLE
