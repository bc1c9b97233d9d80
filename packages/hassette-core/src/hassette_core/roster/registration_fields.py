"""`registration_fields`: the fields that the registrations of listeners and jobs have in common."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypedDict

from hassette_core.handlers import Handler, RunOptions, inspect_callable, optional_seconds
from hassette_executor import SourceLocation


class RegistrationFields(TypedDict):
    """The fields that `ListenerRegistration` and `JobRegistration` have in common. These classes document them."""

    app: str
    instance: str
    name: str
    handler: str
    settings: tuple[tuple[str, str], ...]
    source: SourceLocation | None
    runs_in: Literal["async", "sync"]
    timeout_s: float | None


def registration_fields(
    app: str,
    instance: str,
    handler: Handler,
    options: RunOptions,
    settings: tuple[tuple[str, str], ...],
    redact: Callable[[str], str],
) -> RegistrationFields:
    """Return the common fields of a registration.

    Args:
        app: The app's key.
        instance: The app's instance.
        handler: The callable to run.
        options: The options of the listener or job, already checked.
        settings: The options that differ from their defaults, as strings.
        redact: Masks secrets in the name, in the settings and in the source code of the handler.

    Raises:
        RegistrationError: The handler is not callable, or it contains a ``yield``.
    """
    info = inspect_callable("handler", handler)
    source = info.source
    if source is not None and (snippet := redact(source.snippet)) != source.snippet:
        source = replace(source, snippet=snippet)
    return RegistrationFields(
        app=app,
        instance=instance,
        name=redact(options.get("name") or info.name),
        handler=info.qualified,
        settings=tuple((key, redact(text)) for key, text in settings),
        source=source,
        runs_in=info.runs_in,
        timeout_s=optional_seconds("timeout", options.get("timeout"), zero=True),
    )
