"""Descriptions of the properties of answers, for the description of the API."""

import inspect
import re
from typing import Any, Final

_COMMON: Final = {
    "id": "Id. It increases with time.",
    "kind": "Kind, such as handler or job.",
    "app": "Key of the app in hassette.toml.",
    "instance": "Name of the instance within the app.",
    "name": "Name, unique within the instance.",
    "status": "Status.",
    "registration": "The handler or job.",
    "registrations": "Handlers and jobs.",
    "session": "The session.",
    "session_id": "Id of the session of the framework.",
    "counts": "Numbers of runs by status.",
    "percentiles": "Percentiles of the durations of runs.",
    "next_cursor": "Cursor of the next page; null if this is the last one.",
    "trigger": "The event or due time.",
    "failure": "The failure; null if the run did not fail.",
    "reason": "Reason.",
    "detail": "Details, as a sentence; may be empty.",
    "count": "Number.",
    "message": "Message.",
    "type": "Type.",
    "text": "Text.",
    "entity_id": "Id of the entity.",
    "user_id": "Id of the user of Home Assistant.",
    "context_id": "Id of the context of Home Assistant.",
    "parent_id": "Id of the context that caused this one.",
    "since_us": "Start of the covered time range.",
    "until_us": "End of the covered time range, excluded.",
    "started_us": "Start.",
    "ended_us": "End; null if it has not ended.",
    "duration_us": "Duration.",
    "waited_us": "Time between the trigger and the start.",
    "at_us": "Time.",
    "due_us": "Time at which the run is due.",
    "first_us": "First time.",
    "last_us": "Last time.",
    "failing": "Those with failures.",
}
_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)


def describe(schema: dict[str, Any], model: type) -> None:
    """Add descriptions to the schema of an answer: from its docstring, or the common one of a property.

    Args:
        schema: Schema of the answer.
        model: Class of the answer.
    """
    documented: dict[str, str] = {}
    for base in reversed(model.__mro__):
        _, _, attributes = (inspect.cleandoc(base.__doc__ or "")).partition("Attributes:\n")
        documented |= {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(attributes)}
    text, _, _ = inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:")
    schema["description"] = " ".join(text.split())
    for name, of_property in schema.get("properties", {}).items():
        description = documented.get(name) or _COMMON.get(name) or f"{name.replace('_', ' ').strip().capitalize()}."
        if name.endswith("_us"):
            unit = "Duration" if "duration" in name or "waited" in name or "length" in name else "Time or duration"
            description = f"{description} {unit} in microseconds."
        of_property.setdefault("description", description.replace("``", ""))
