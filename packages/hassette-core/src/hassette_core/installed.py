"""Find the installed packages of the project, and the entry points of plugins, without importing them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Protocol, runtime_checkable

PACKAGES = ("hassette-executor", "hassette-core", "hassette-store", "hassette-sync")
SINK_GROUP = "hassette.sinks"
SERVICE_GROUP = "hassette.services"
COMMAND_GROUP = "hassette.commands"

PluginCommand = Callable[[Sequence[str]], int]
"""Type of an entry point in the group ``hassette.commands``. It takes arguments and returns an exit code."""


@runtime_checkable
class CompletingPluginCommand(Protocol):
    """A command that can also complete its own arguments in a shell."""

    def __call__(self, argv: Sequence[str], /) -> int:
        """Run the command with the given arguments, and return its exit code."""
        ...

    def complete(self, argv: Sequence[str], incomplete: str, /) -> Iterable[tuple[str, str, str]]:
        """Return the possible completions of the next word.

        Args:
            argv: The complete words after the name of the command.
            incomplete: The beginning of the next word; may be empty.

        Returns:
            For each completion, its type, its text and a help line. If the shell must complete a path that begins with
            the text, the type is ``file`` or ``dir``. For all other words, it is ``plain``. The help line may be empty.
        """
        ...


FindEntryPoints = Callable[[str], Iterable[EntryPoint]]
"""Returns the entry points of a group."""


def find_entry_points(group: str) -> Iterable[EntryPoint]:
    """Return the entry points of a group in all installed packages."""
    return entry_points(group=group)


@cache  # Python reads the metadata of a package for each version, and each home of a test asks
def installed_versions() -> Mapping[str, str]:
    """Return the version of each installed package of the project."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def plugin_tables(find: FindEntryPoints = find_entry_points) -> frozenset[str]:
    """Return the names of the tables in ``hassette.toml`` that belong to installed plugins."""
    return frozenset(point.name for group in (SINK_GROUP, SERVICE_GROUP) for point in find(group))


def commands() -> dict[str, EntryPoint]:
    """Return the commands of plugins by name."""
    return {point.name: point for point in find_entry_points(COMMAND_GROUP)}
