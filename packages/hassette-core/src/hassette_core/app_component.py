"""`AppComponent`: the base class of the objects that an app has as attributes, such as ``self.bus``."""

from typing import TYPE_CHECKING

from hassette_core.replacements import ATTRIBUTES, MEMBERS, components, replacement_of
from hassette_core.suggestions import did_you_mean

_ITEMS = {"apps": 'self.apps.get("{}")', "states": 'self.states.domain("{}")', "storage": 'self.storage["{}"]'}
"""The components with items, and the code that reads an item."""
_OF_FRAMEWORK = frozenset(("end", "is_open", "restore", "suspend", "write"))
"""Members of components that only the framework uses. No error proposes them."""


class AppComponent:
    """Base class of the objects that an app has as attributes. An unknown member is an error with the right name.

    Example:
        ::

            class AppBus(AppComponent, attribute="bus"): ...
    """

    _attribute: str

    def __init_subclass__(cls, *, attribute: str | None = None) -> None:
        super().__init_subclass__()
        if attribute is not None:
            cls._attribute = attribute
            components[attribute] = cls

    if not TYPE_CHECKING:  # with this method, a type checker would accept each member

        def __getattr__(self, name: str) -> object:
            """Raise the error about a missing member.

            Raises:
                AttributeError: Always. The message names the right member.
            """
            cls = type(self)
            if name.startswith("_") or hasattr(cls, name):
                return super().__getattribute__(name)  # raises Python's error, or again the error of a property
            raise AttributeError(unknown_member(self._attribute, cls, name))


def unknown_member(attribute: str, component: type[object], name: str) -> str:
    """Return the sentence about a member that a component of an app does not have.

    Example:
        >>> unknown_member("scheduler", AppScheduler, "list_jobs")
        'self.scheduler.list_jobs does not exist; use self.scheduler.jobs'

    Args:
        attribute: The attribute of the app, such as ``bus``.
        component: The class of the component.
        name: The name of the missing member.
    """
    text = f"self.{attribute}.{name} does not exist"
    replacement = MEMBERS.get(attribute, {}).get(name) or ATTRIBUTES.get(name)
    known = [each for each in dir(component) if not each.startswith("_") and each not in _OF_FRAMEWORK]
    form = f"self.{attribute}.{{}}"
    if replacement is None and attribute in components:
        replacement = replacement_of(name)
    if replacement is not None:
        return f"{text}; use {replacement}"
    otherwise = f"; use {_ITEMS[attribute].format(name)}" if attribute in _ITEMS else f"; known: {', '.join(known)}"
    return text + did_you_mean(name, known, otherwise, form=form)
