"""Exit codes of the ``hassette`` commands."""

from enum import IntEnum

from hassette_core.errors import AuthenticationError, ConfigError, UrlError


class ExitCode(IntEnum):
    """Exit codes of the ``hassette`` commands, for service managers and scripts."""

    OK = 0
    """Success, including a clean stop by a signal."""
    FAILURE = 1
    """The command failed; it may succeed later."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    AUTHENTICATION = 3
    """Home Assistant refused the token."""


def exit_code_for(error: Exception) -> ExitCode:
    """Return the exit code of a command that ended with the error."""
    if isinstance(error, AuthenticationError):
        return ExitCode.AUTHENTICATION
    return ExitCode.USAGE if isinstance(error, ConfigError | UrlError) else ExitCode.FAILURE
