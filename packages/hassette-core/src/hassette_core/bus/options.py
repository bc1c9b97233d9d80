"""What can be asked of a listener beside what it listens to."""

from dataclasses import dataclass

from hassette_core.bus.conditions import Where, check_question, describe_expected
from hassette_core.errors import RegistrationError
from hassette_core.handlers import Duration, Mode, check_hook, check_mode, describe, optional_seconds, seconds
from hassette_executor import ErrorHook

_WAITS = ("duration", "debounce", "throttle")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerOptions:
    """Options of one listener, as given; `AppBus.on_state_change` says what each does."""

    where: Where | None = None
    debounce: Duration | None = None
    throttle: Duration | None = None
    duration: Duration | None = None
    once: bool = False
    mode: Mode = "parallel"
    timeout: Duration | None = None
    on_error: ErrorHook | None = None
    name: str | None = None

    def check(self) -> None:
        """Check all of them.

        Raises:
            RegistrationError: One cannot work; the message names it.
        """
        check_question("where", self.where)
        for option in _WAITS:
            optional_seconds(option, getattr(self, option))
        if self.timeout is not None:
            seconds("timeout", self.timeout, zero=True)
        if self.debounce is not None and self.throttle is not None:
            raise RegistrationError(
                "debounce and throttle exclude each other: debounce runs once things are quiet, throttle runs at once"
                " and then not for a while; choose one"
            )
        check_mode(self.mode)
        check_name(self.name)
        check_hook(self.on_error)

    @property
    def timeout_s(self) -> float | None:
        """The deadline in seconds; None for the executor's default, 0 for none."""
        return None if self.timeout is None else seconds("timeout", self.timeout, zero=True)

    def settings(self) -> tuple[tuple[str, str], ...]:
        """Return what differs from the defaults, as a person would write it."""
        found: list[tuple[str, str]] = []
        if self.where is not None:
            found.append(("where", describe_expected(self.where)))
        waits = [(option, optional_seconds(option, getattr(self, option))) for option in _WAITS]
        found += [(option, describe(wait_s)) for option, wait_s in waits if wait_s is not None]
        if self.once:
            found.append(("once", "yes"))
        if self.mode != "parallel":
            found.append(("mode", self.mode))
        if (timeout_s := self.timeout_s) is not None:
            found.append(("timeout", describe(timeout_s) if timeout_s else "none"))
        return tuple(found)


def check_name(name: object) -> None:
    """Check the name of a listener or job.

    Raises:
        RegistrationError: It is no text, or empty.
    """
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise RegistrationError(f"name={name!r} must be a text, or be left out to use the handler's name")
