"""Answers to *why* and *why not*: what happened, the chain back to its first cause, and what did not happen."""

from typing import Literal

from hassette_sync.answers.kinds import RegistrationRef, Trigger
from hassette_sync.answers.runs import Run
from hassette_sync.answers.values import Answer, Id

CauseKind = Literal["person", "app", "automation", "script", "scheduled", "device", "unknown"]
"""Kind of a cause. An *app* is one of this framework; an *automation* and a *script* belong to Home Assistant."""

Subject = Literal["entity", "service", "text"]
"""Subject of a question: an entity (which may also be the target of calls), a service, or the text of a log line."""


class Entity(Answer):
    """An entity with the names that Home Assistant shows.

    Attributes:
        entity_id: Id such as ``light.hall``.
        name: Friendly name such as ``Hall light``; empty if it is not known.
        area: Name of its area; empty if it has none or if it is not known.
    """

    entity_id: str
    name: str = ""
    area: str = ""

    @property
    def title(self) -> str:
        """Friendly name, or the id if there is none."""
        return self.name or self.entity_id


class StateChange(Answer):
    """A change of an entity's state.

    Attributes:
        at_us: Time of the change. If only a run shows it, this is when its event arrived.
        entity: The entity.
        old_state: State before; None if the entity was new, or if the state is not known.
        new_state: State after; None if the entity was removed, or if the state is not known.
        context_id: Id of the Home Assistant context; None if it is not known.
        parent_id: Id of the context that led to this one; None if there is none.
    """

    at_us: int
    entity: Entity
    old_state: str | None
    new_state: str | None
    context_id: str | None
    parent_id: str | None


class CallMade(Answer):
    """A service call, by an app or by something else.

    Attributes:
        at_us: When it was sent.
        service: Service such as ``light.turn_on``.
        target: Compact JSON of entities, areas and devices; None without a target.
        data: Compact JSON of the other fields; None without data, or if the call was not made by an app.
        error: Error message; None if the call succeeded, or if the call was not made by an app.
        rehearsed: True if an app rehearsed and the call was not sent.
    """

    at_us: int
    service: str
    target: str | None
    data: str | None = None
    error: str | None = None
    rehearsed: bool = False


class Cause(Answer):
    """One step back from a change to its first cause.

    Attributes:
        kind: Kind of this cause.
        title: Name for display: a person, an app's handler, an automation, a script or a device; ``unknown`` if the
            cause is not known.
        text: Plain clause, such as ``your app motion_light.on_motion called light.turn_on``.
        at_us: When it happened; None if it is not known.
        change: State change that triggered the handler or automation; None if there was none.
        run: Run of the app's handler or job; None for other kinds.
        call: Service call through which it acted; None if there was none, or if it is not known.
        entity: The automation or script as an entity; None for other kinds.
        detail: Home Assistant's description of the trigger, such as ``state of binary_sensor.hall``; or the schedule of
            a job; may be empty.
        link: Path in Home Assistant's page, such as the trace of an automation; empty if there is none.
    """

    kind: CauseKind
    title: str
    text: str
    at_us: int | None = None
    change: StateChange | None = None
    run: Run | None = None
    call: CallMade | None = None
    entity: Entity | None = None
    detail: str = ""
    link: str = ""


class NotRunEntry(Answer):
    """A trigger that led to no run.

    Attributes:
        id: Id of the sample, for cursors.
        at_us: When it was decided that the trigger leads to no run.
        registration: The handler or job.
        reason: For example ``condition`` or ``rate_limited``.
        detail: One sentence, for example which condition did not hold; may be empty.
        trigger: The trigger; None if it is not known.
    """

    id: Id
    at_us: int
    registration: RegistrationRef
    reason: str
    detail: str
    trigger: Trigger | None


class Explained(Answer):
    """Something that was found, and the chain back to its first cause.

    Attributes:
        change: The state change; None for a service call or a log line.
        call: The service call; None for a change or a log line.
        text: Text of the log line or of the error; None for a change or a call.
        at_us: When it happened.
        causes: Steps back, the nearest first. The last one is the first cause that is known.
        first_cause: Kind of the first cause. ``unknown`` if the chain breaks off.
        is_complete: Whether the chain reaches its first cause.
        missing: The reason why the chain breaks off; empty for a complete chain.
        sentence: Plain sentence with the cause.
        reactions: Runs that the change triggered, at most 50.
        not_run: Handlers that received the change and did not run, and why; at most 50.
    """

    change: StateChange | None
    call: CallMade | None
    text: str | None = None
    at_us: int
    causes: tuple[Cause, ...]
    first_cause: CauseKind
    is_complete: bool
    missing: str
    sentence: str
    reactions: tuple[Run, ...]
    not_run: tuple[NotRunEntry, ...]


class Why(Answer):
    """Answer to the question why something happened.

    Attributes:
        about: Kind of the subject: an entity, a service, or the text of a log line or an error.
        subject: The entity id, service or text.
        entity: The entity with its names; None for other subjects.
        at_us: The moment that was asked about; None for the newest, or the newest of a day.
        since_us: Start of the time that was searched.
        until_us: End of the time that was searched.
        found: Findings, the best answer first: the nearest to the moment, or the newest.
        more: Number of further changes and calls in the searched time that are not listed, up to about 200.
        sentence: The answer in one plain sentence. It states whether the cause is known.
        missing: Facts that are not recorded and could change the answer, one sentence each.
        before_us: Time of the last known change before the searched time; None if there is none.
        after_us: Time of the next known change after the searched time; None if there is none.
        suggestions: Known entities with similar names, if the subject is unknown; the other entities that fit, if the
            answer is about one of several.
    """

    about: Subject
    subject: str
    entity: Entity | None
    at_us: int | None
    since_us: int
    until_us: int
    found: tuple[Explained, ...]
    more: int
    sentence: str
    missing: tuple[str, ...]
    before_us: int | None
    after_us: int | None
    suggestions: tuple[Entity, ...]

    @property
    def label_before(self) -> str:
        """Label of `before_us`. Without a moment, *before* could also mean before the newest finding."""
        return "The change before" if self.at_us is not None else "The last change before the searched time"

    @property
    def label_after(self) -> str:
        """Label of `after_us`."""
        return "The next change" if self.at_us is not None else "The next change after the searched time"


class WhyNotCheck(Answer):
    """One possible reason why nothing ran.

    Attributes:
        name: Short name: ``registered``, ``framework_up``, ``enabled``, ``connected``, ``triggered``, ``allowed``,
            ``ran``, and ``calls`` if it ran and called services.
        question: The check as a question, such as ``Was Hassette connected to Home Assistant?``
        result: ``yes``: as needed for a run. ``no``: a reason why there was no run. ``unknown``: not recorded.
        detail: One sentence with what was found.
        at_us: Time of the finding; None if it has none.
    """

    name: str
    question: str
    result: Literal["yes", "no", "unknown"]
    detail: str
    at_us: int | None = None


class WhyNot(Answer):
    """Answer to the question why a handler or job did not run.

    Attributes:
        registration: The handler or job; None if the name fits none.
        listens_to: Topic of the handler, or schedule of the job; empty if there is no such handler or job.
        at_us: The moment that was asked about; None for a day or a part of it.
        since_us: Start of the time that was searched.
        until_us: End of the time that was searched.
        reason: The first reason that was found: the reason of a trigger without a run (``condition``,
            ``rate_limited``, …), or ``ran``, ``not_registered``, ``disabled``, ``framework_down``, ``not_connected``,
            ``not_matching``, ``nothing_came``, ``history_lost``, ``unknown``.
        sentence: The answer in one plain sentence.
        checks: All checks, in the order of the path of an event.
        runs: Runs in the searched time, at most 20: it did run.
        not_run: Triggers in the searched time that led to no run, newest first.
        last_run: Newest run before the end of the searched time; None if there is none.
        changes: Changes of the entities that it listens to in the searched time, at most 20.
        suggestions: Handlers and jobs with similar names, if the name fits none or several. If the name means an entity
            or several, the other handlers and jobs that change them.
    """

    registration: RegistrationRef | None
    listens_to: str
    at_us: int | None
    since_us: int
    until_us: int
    reason: str
    sentence: str
    checks: tuple[WhyNotCheck, ...]
    runs: tuple[Run, ...]
    not_run: tuple[NotRunEntry, ...]
    last_run: Run | None
    changes: tuple[StateChange, ...]
    suggestions: tuple[RegistrationRef, ...]
