"""`AppLogLevels`: the log levels of app instances, for their loggers and for the loggers of their modules."""

import logging
from collections.abc import Collection

from hassette_core.containment import ACTOR, Actor


class AppLogLevels:
    """Sets the levels of ``self.logger`` and of ``logging.getLogger(__name__)`` in the modules of the apps.

    Several instances may share a module and have different levels. Then the logger of the module has the lowest level,
    and a filter drops the messages of the other instances below their own levels.
    """

    def __init__(self) -> None:
        self._modules: dict[str, _ModuleFilter] = {}

    def set(self, actor: Actor, modules: Collection[str], level: str | None) -> None:
        """Set the level of an instance that starts.

        Args:
            actor: The instance.
            modules: The names of the modules with its code.
            level: The level, such as ``debug``. None for the general level.
        """
        self.forget(actor)
        number = logging.getLevelNamesMapping()[level.upper()] if level else logging.NOTSET
        _own_logger(actor).setLevel(number)
        for name in modules:
            self._modules.setdefault(name, _ModuleFilter(logging.getLogger(name))).set(actor, number)

    def forget(self, actor: Actor) -> None:
        """Restore the general level for an instance that has stopped."""
        _own_logger(actor).setLevel(logging.NOTSET)
        for name, module in list(self._modules.items()):
            if module.forget(actor):
                del self._modules[name]


def _own_logger(actor: Actor) -> logging.Logger:
    return logging.getLogger(f"hassette.apps.{'.'.join(actor[:2])}")


class _ModuleFilter(logging.Filter):
    """Filters the messages of one module by the levels of the instances that use the module."""

    def __init__(self, module: logging.Logger) -> None:
        super().__init__()
        self._logger = module
        self._levels: dict[Actor, int] = {}

    def set(self, actor: Actor, level: int) -> None:
        """Add or change the level of an instance; 0 for the general level."""
        self._levels[actor] = level
        self._apply()

    def forget(self, actor: Actor) -> bool:
        """Remove an instance. Return whether no instance is left."""
        if self._levels.pop(actor, None) is not None:
            self._apply()
        return not self._levels

    def _apply(self) -> None:
        self._logger.removeFilter(self)
        if not any(self._levels.values()):
            self._logger.setLevel(logging.NOTSET)
            return
        self._logger.setLevel(min(level or self._general_level() for level in self._levels.values()))
        if len(set(self._levels.values())) > 1:
            self._logger.addFilter(self)

    def _general_level(self) -> int:
        return self._logger.parent.getEffectiveLevel() if self._logger.parent is not None else logging.NOTSET

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the level of a message suffices for the instance whose code runs."""
        actor = ACTOR.get()
        level = self._levels.get(tuple(actor[:2]), logging.NOTSET) if actor is not None else logging.NOTSET
        return record.levelno >= (level or self._general_level())
