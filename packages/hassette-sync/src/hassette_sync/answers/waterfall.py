"""Answer about a run in time: what led to it, what it did, and what followed."""

from typing import Literal

from pydantic import Field

from hassette_sync.answers.explanations import CauseKind
from hassette_sync.answers.runs import LogLine, Run, RunDetail, ServiceCall, StateRead
from hassette_sync.answers.values import Answer, Id

RowKind = Literal["origin", "event", "run", "log", "call", "read", "more"]
"""Kind of a row: the first cause, an event or change of a state, a run, a log line, a service call, reads of states, or
a number of rows that are not shown."""


class WaterfallRow(Answer):
    """One row of a waterfall."""

    kind: RowKind = Field(description="What the row shows.")
    depth: int = Field(description="Number of rows between this row and its first cause. Effects are deeper.")
    title: str = Field(description="What happened, in words. Entities have their friendly names where they are known.")
    detail: str = Field(default="", description="More about it, such as the area of an entity or the data of a call.")
    at_us: int = Field(description="Start, in microseconds since the Unix epoch.")
    duration_us: int | None = Field(default=None, description="Duration in microseconds; null for a moment.")
    cause: CauseKind | None = Field(default=None, description="Kind of the cause, for a first cause or an event.")
    entity_id: str | None = Field(default=None, description="Entity that changed, for an event.")
    trace_path: str | None = Field(
        default=None, description="Path of the trace in Home Assistant, for an automation or a script."
    )
    run: Run | None = Field(default=None, description="The run, for a row of a run.")
    call: ServiceCall | None = Field(default=None, description="The call, for a row of a call; its runs are rows.")
    log: LogLine | None = Field(default=None, description="The log line, for a row of a log line.")
    reads: tuple[StateRead, ...] = Field(
        default=(), description="The states that a run read one after the other, for a row of reads."
    )

    @property
    def until_us(self) -> int:
        """End of the row."""
        return self.at_us + (self.duration_us or 0)


class SimilarRuns(Answer):
    """The runs of the same handler or job in the seven days before the end of a run."""

    runs: int = Field(description="Number of runs.")
    failed: int = Field(description="Number of failed runs.")
    p50_us: int | None = Field(description="Half of the runs took at most this long; null without runs.")
    p95_us: int | None = Field(description="95 % of the runs took at most this long; null without runs.")
    verdict: Literal["typical", "slow", "failed", "too few"] = Field(
        description="How the run compares with the others; 'too few' if there are fewer than ten runs."
    )
    sentence: str = Field(description="The comparison as a sentence.")


class Waterfall(Answer):
    """A run with its causes and effects on one time axis.

    All runs that contexts of Home Assistant connect have the same rows. The rows of a run at the end of a timer also
    have the run that started the timer.
    """

    run_id: Id = Field(description="Id of the run that was asked for.")
    first_run_id: Id = Field(description="Id of the first run of the chain.")
    sentence: str = Field(description="What happened, in plain words.")
    since_us: int = Field(description="Start of the time axis.")
    until_us: int = Field(description="End of the time axis.")
    rows: tuple[WaterfallRow, ...] = Field(
        description="Rows in the order of cause and effect. An effect follows its cause and is deeper."
    )
    earlier: bool = Field(description="Whether the chain has causes before the first row, which are not shown.")
    similar: SimilarRuns = Field(description="Comparison with other runs of the same handler or job.")


class RunWithWaterfall(RunDetail):
    """One run in detail, with its causes and effects on one time axis."""

    waterfall: Waterfall
