"""`EntitySelection`: entities that are selected by a rule and not by their ids."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class EntitySelection(Protocol):
    """Entities that are selected by a rule, such as all lights of an area.

    A selection is current at every moment: `matches` answers for the home as it is when it is called. An object that
    keeps a selection, such as a listener, must therefore call `matches` again for each event, and must not keep the
    answer.
    """

    def matches(self, entity_id: str) -> bool:
        """Return whether the selection contains an entity now. The cost is that of one look into a set."""
        ...

    def describe(self) -> str:
        """Return the selection as a short text for pages and logs, such as ``lights in the area Kitchen``.

        The text does not change while the selection exists, so that it can be the topic of a listener.
        """
        ...


@runtime_checkable
class CheckedSelection(EntitySelection, Protocol):
    """A selection whose rule cannot be applied before Home Assistant has sent some facts, such as its areas."""

    def check_known(self) -> None:
        """Check that the facts are known.

        Raises:
            HomeUnknownError: They are not known yet.
        """
        ...
