"""Circumstances of runs: what happened in the home and in the framework around them.

They explain the runs: which person, automation or device caused an event, and which version of an app ran. Each
circumstance except a name has an id from the sequence of the ids of runs, so all of them are ordered by time. The
executor assigns the id; a producer leaves it at 0.

The store does not import these classes. ``hassette_store.rows`` declares the fields that it reads, and
tests/typing/joins.py compares both.
"""

from typing import Final, NamedTuple


class HomeChange(NamedTuple):
    """A state of the home that changed, also if no app listened to it.

    Attributes:
        id: Id of the change; 0 until the executor assigns it.
        entity_id: The entity.
        old_state: Its state before the change; None if it was new.
        new_state: Its state after the change; None if it was removed.
        context_id: Home Assistant's context id of the change.
        parent_id: The id of the context that caused it, for example the context of an automation's trigger.
        user_id: The id of the user who caused it.
    """

    id: int
    entity_id: str
    old_state: str | None
    new_state: str | None
    context_id: str
    parent_id: str | None = None
    user_id: str | None = None


class HomeCause(NamedTuple):
    """An automation, a script or a service call of Home Assistant. The changes that it causes have its context.

    Attributes:
        id: Id of the cause; 0 until the executor assigns it.
        kind: ``automation``, ``script``, ``service_call``, or ``event`` for another event that triggered an automation.
        entity_id: The automation or script; None for a service call.
        service: For example ``light.turn_on``, or the type of an event; None for an automation or script.
        target: The target of a service call as compact JSON; may be empty.
        detail: The description of the trigger, such as ``state of binary_sensor.door``, the name of the script, or the
            app that made the service call outside its runs.
        context_id: Home Assistant's context id of the cause.
        parent_id: The id of the context that caused it.
        user_id: The id of the user who caused it.
        item_id: The id of the automation or script in Home Assistant's traces; None if unknown.
        trace_id: The id of the trace; None if unknown. Home Assistant names it from 2026.11 on.
    """

    id: int
    kind: str
    entity_id: str | None
    service: str | None
    target: str
    detail: str
    context_id: str
    parent_id: str | None = None
    user_id: str | None = None
    item_id: str | None = None
    trace_id: str | None = None


class HomeName(NamedTuple):
    """The name of an entity, user, device or area. It replaces the former name of the same key.

    Attributes:
        kind: ``entity``, ``user``, ``device`` or ``area``; ``follower`` for an entity that follows other entities.
        key: The id of the entity, user, device or area.
        name: The name that Home Assistant shows. For a follower, the entity that it follows, or its integration.
        area: The name of the area in which the entity or device is; None if it is in none.
    """

    kind: str
    key: str
    name: str
    area: str | None = None


class Deploy(NamedTuple):
    """The version of an app's code and settings that was started.

    Attributes:
        id: Id of the deploy; 0 until the executor assigns it.
        app: The app's key.
        version: Short hash of the code and the settings.
        code_hash: Hash of the app's modules.
        settings_hash: Hash of the settings, with secrets masked.
        git_commit: The commit of the folder of the app; None if the folder is in no repository.
        at_start: Whether the app was started with the framework; False for a reload.
    """

    id: int
    app: str
    version: str
    code_hash: str
    settings_hash: str
    git_commit: str | None = None
    at_start: bool = True


class FrameworkLogLine(NamedTuple):
    """A warning or error that was logged outside runs, by the framework or by an app.

    Attributes:
        id: Id of the line; 0 until the executor assigns it.
        level: The `logging` level number.
        logger: The name of the logger.
        message: The formatted message with its facts; masked and truncated.
        app: The key of the app that logged it; None for the framework.
    """

    id: int
    level: int
    logger: str
    message: str
    app: str | None = None


Circumstance = HomeChange | HomeCause | HomeName | Deploy | FrameworkLogLine
"""One of the circumstances."""

FIELDS: Final[dict[type, str]] = {
    HomeChange: "home_changes",
    HomeCause: "home_causes",
    HomeName: "home_names",
    Deploy: "deploys",
    FrameworkLogLine: "framework_log",
}
"""The field of `Batch` for each kind of circumstance."""
