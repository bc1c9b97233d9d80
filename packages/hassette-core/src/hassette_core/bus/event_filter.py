"""`EventFilter`: the events that a listener accepts, by type and by texts in their data."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from hassette_core.entities import Matches, glob_matcher, is_glob
from hassette_core.errors import RegistrationError
from hassette_core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Selects the events for which a handler of `AppBus.on_event` and of similar methods runs.

    Attributes:
        event_type: An event type or glob.
        fields: Keys of the event's data, each with the accepted texts. A text may be a glob.
        not_app: The key of the app whose events are not accepted; None accepts the events of all apps.
    """

    event_type: str
    fields: tuple[tuple[str, "Texts"], ...] = ()
    not_app: str | None = None

    @property
    def topic(self) -> str:
        """The event type, followed by the accepted texts: ``call_service.light.turn_on``."""
        return ".".join([self.event_type, *(", ".join(texts.values) for _, texts in self.fields)])

    def matches(self, event: Event) -> bool:
        """Return whether an event of the type is accepted."""
        data = event.data
        if self.not_app is not None and data.get("app") == self.not_app:
            return False
        return all(texts.accept(data.get(key)) for key, texts in self.fields)


class Texts:
    """Accepted texts, some of which may be globs.

    Args:
        values: The texts and globs, each once and in order.
    """

    def __init__(self, values: tuple[str, ...]) -> None:
        self.values = values
        self._matchers: tuple[Matches, ...] = tuple(glob_matcher(value) for value in values if is_glob(value))

    def accept(self, value: object) -> bool:
        """Return whether a value is one of the texts, or matches one of the globs."""
        return isinstance(value, str) and (value in self.values or any(matches(value) for matches in self._matchers))


TextCheck = Callable[[str, str], None]
"""Checks one text of an option: the name of the option and the text. It raises `RegistrationError`."""


def check_domain(option: str, text: str) -> None:
    """Check the domain of a service, or a glob."""
    if re.fullmatch(r"[a-z0-9_*?\[\]!-]+", text) is None:
        raise RegistrationError(f"{option} must be the domain of services, such as 'light', got {text!r}{_parts(text)}")


def check_service(option: str, text: str) -> None:
    """Check the name of a service without its domain, or a glob."""
    if "." in text or text != text.lower() or re.search(r"\s", text):
        raise RegistrationError(
            f"{option} must be a service without its domain, such as 'turn_on', got {text!r}{_parts(text)}"
        )


def check_app(option: str, text: str) -> None:
    """Check the key of an app, or a glob."""
    app, dot, instance = text.partition(".")
    if dot:
        raise RegistrationError(
            f"{option} must be the key of an app, such as 'alarm', got {text!r}; write {app!r}, and for one instance"
            f' where=lambda event: event.data["instance"] == {instance!r}'
        )


def check_any(option: str, text: str) -> None:
    """Accept every text."""


def _parts(text: str) -> str:
    """Return the correction of a domain and a service in one text."""
    plain = re.sub(r"\s+", "_", text.strip().lower())
    domain, dot, service = plain.partition(".")
    return f"; write domain={domain!r}, service={service!r}" if dot else f"; did you mean {plain!r}?"


def optional_texts(option: str, value: object, example: str, check: TextCheck = check_any) -> Texts | None:
    """Check a text, or several texts. None stands for all.

    Args:
        option: The name of the option, for the error message.
        value: The value.
        example: An example for the error message.
        check: Checks each text.

    Raises:
        RegistrationError: The value is not a text, or there are no texts.
    """
    if value is None:
        return None
    given = (
        [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(cast("Iterable[object]", value))
    )
    for text in given:
        if not isinstance(text, str) or not text.strip():
            raise RegistrationError(f"{option} must be a string such as {example!r}, or several strings, got {value!r}")
        check(option, text)
    if not given:
        raise RegistrationError(f"{option} must be a non-empty collection; leave it out to accept every value")
    return Texts(tuple(sorted({str.__str__(cast("str", text)) for text in given})))
