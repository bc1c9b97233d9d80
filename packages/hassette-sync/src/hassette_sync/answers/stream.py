"""What the live stream carries."""

from typing import Literal

from hassette_sync.answers.runs import FailureBrief, Run
from hassette_sync.answers.values import Answer, Id, Kind, Trigger


class LiveRun(Answer):
    """A run that has just ended; its id is its sequence number."""

    id: Id
    kind: Kind
    app: str
    instance: str
    name: str
    status: str
    started_us: int
    duration_us: int
    waited_us: int
    trigger: Trigger
    failure: FailureBrief | None = None

    @classmethod
    def of(cls, run: Run) -> "LiveRun":
        """Make one of a run of the history."""
        return cls(
            id=run.id,
            kind=run.kind,
            app=run.registration.app,
            instance=run.registration.instance,
            name=run.registration.name,
            status=run.status,
            started_us=run.started_us,
            duration_us=run.duration_us,
            waited_us=run.waited_us,
            trigger=run.trigger,
            failure=run.failure,
        )


class LiveMessage(Answer):
    """One message of the live stream.

    Attributes:
        type: ``hello`` once at the beginning; ``runs``; ``reload`` in the place of more runs than the client asked to
            be told of; ``dropped`` before the server hangs up.
        last_id: The highest id sent so far: come back with it as ``after``.
        at_us: When it was sent.
        source: ``feed`` (pushed by the framework) or ``file`` (read from the history).
        runs: New runs, ids ascending.
        reason: Why the client was dropped, for a person.
    """

    type: Literal["hello", "runs", "reload", "dropped"]
    last_id: Id
    at_us: int
    source: Literal["feed", "file"]
    runs: tuple[LiveRun, ...] = ()
    reason: str = ""
