"""Messages of the live stream."""

from typing import Literal

from hassette_sync.answers.kinds import Kind, Trigger
from hassette_sync.answers.runs import FailureBrief, Run
from hassette_sync.answers.values import Answer, Id


class LiveRun(Answer):
    """Run that has just ended. Its id is also its sequence number in the stream."""

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
        """Convert a run of the history."""
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
        type: ``hello`` once at the beginning; ``runs``; ``reload`` instead of the runs, if there are more new runs than
            the client accepts at once; ``dropped`` before the server closes the connection.
        last_id: Highest id sent so far. The client sends it as ``after`` when it reconnects.
        at_us: Time of sending.
        source: ``feed`` (live from the framework) or ``file`` (read from the history).
        runs: New runs with ascending ids.
        reason: Reason for ``dropped``, as a sentence.
    """

    type: Literal["hello", "runs", "reload", "dropped"]
    last_id: Id
    at_us: int
    source: Literal["feed", "file"]
    runs: tuple[LiveRun, ...] = ()
    reason: str = ""
