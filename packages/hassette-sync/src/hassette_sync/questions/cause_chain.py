"""`CauseChain`: the causes of something, from the nearest one to the first one."""

from dataclasses import dataclass, field
from urllib.parse import quote

from hassette_sync.answers.explanations import Cause


@dataclass(slots=True)
class CauseChain:
    """Causes of something, the nearest first.

    Attributes:
        causes: The steps.
        missing: The reason why the chain breaks off; empty if it reaches its first cause.
    """

    causes: list[Cause] = field(default_factory=list[Cause])
    missing: str = ""

    def end_unknown(self, missing: str) -> "CauseChain":
        """End the chain with an unknown cause."""
        self.missing = missing
        self.causes.append(Cause(kind="unknown", title="unknown", text="something that is not recorded"))
        return self


def trace_link(kind: str, item_id: str | None, trace_id: str | None) -> str:
    """Return the path of the trace of an automation or script in Home Assistant; empty if it has no id."""
    if not item_id:
        return ""
    return f"/config/{kind}/trace/{quote(item_id, safe='')}" + (f"?run_id={quote(trace_id)}" if trace_id else "")
