"""`CauseChain`: the causes of something, from the nearest one to the first one."""

from dataclasses import dataclass, field
from urllib.parse import quote

from hassette_sync.answers.explanations import Cause, StateChange

MAX_STEPS = 20


@dataclass(slots=True)
class CauseChain:
    """Causes of something, the nearest first.

    Attributes:
        causes: The steps.
        missing: The reason why the chain breaks off; empty if it reaches its first cause.
        contexts: Contexts of Home Assistant whose causes are in the chain.
        changes: Changes whose causes are in the chain, the nearest first.
    """

    causes: list[Cause] = field(default_factory=list[Cause])
    missing: str = ""
    contexts: set[str] = field(default_factory=set[str])
    changes: list[StateChange] = field(default_factory=list[StateChange])

    @property
    def is_full(self) -> bool:
        """Whether no further cause is followed."""
        return len(self.causes) >= MAX_STEPS

    def end_unknown(self, missing: str) -> "CauseChain":
        """End the chain with an unknown cause."""
        self.missing = missing
        self.causes.append(Cause(kind="unknown", title="unknown", text="something that is not recorded"))
        return self

    def end_too_long(self) -> None:
        """End the chain because it is too long, or because it leads back to one of its causes."""
        self.end_unknown(f"the chain has more than {MAX_STEPS} causes, or it leads back to one of its causes.")


def trace_link(kind: str, item_id: str | None, trace_id: str | None) -> str:
    """Return the path of the trace of an automation or script in Home Assistant; empty if it has no id."""
    if not item_id:
        return ""
    return f"/config/{kind}/trace/{quote(item_id, safe='')}" + (f"?run_id={quote(trace_id)}" if trace_id else "")
