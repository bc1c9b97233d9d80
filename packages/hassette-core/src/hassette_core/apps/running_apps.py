"""`RunningApps`: the other apps, ``self.apps``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hassette_core.apps.status import AppStatus
from hassette_core.errors import AppLookupError
from hassette_core.suggestions import did_you_mean

if TYPE_CHECKING:
    from hassette_core.apps.app import AnyApp  # an app has a RunningApps

AppT = TypeVar("AppT", bound="AnyApp[Any]")


class RunningApps:
    """The running apps, by app key: ``self.apps``. It can be used in threads.

    Call `get` where you need the other app. After a reload of the other app, `get` returns the new object. Keep the
    object only if the other app is in ``depends_on``: then your app is restarted after the reload.

    Example:
        With ``depends_on = ["notifier"]`` in ``[apps.alarm]``, the notifier runs before the alarm starts::

            from notifier import Notifier

            await self.apps.get("notifier", Notifier).notify("The alarm was triggered")

    Args:
        by_key: The running objects by app key and instance. A `RunningApps` object is a view of this mapping.
        statuses: Returns the status of each instance, for error messages.
    """

    def __init__(
        self, by_key: Mapping[str, Mapping[str, "AnyApp[Any]"]], statuses: Callable[[], Sequence[AppStatus]]
    ) -> None:
        self._by_key = by_key
        self._statuses = statuses

    @overload
    def get(self, app_key: str, /, *, instance: str | None = None) -> "AnyApp[Any]": ...
    @overload
    def get(self, app_key: str, app_class: type[AppT], /, *, instance: str | None = None) -> AppT: ...
    def get(self, app_key: str, app_class: "type[AnyApp[Any]] | None" = None, /, *, instance: str | None = None) -> Any:
        """Return the running object of an app.

        Args:
            app_key: The key of the app: ``notifier`` for ``[apps.notifier]``.
            app_class: The class of the app, so that a type checker knows the methods of the object.
            instance: The name of the instance. An app with one instance does not need it.

        Raises:
            AppLookupError: There is no such app, it is not running, it has several instances, or it has another class.
                The message explains how to fix it. The error is also a `LookupError`.
        """
        running = self._by_key.get(app_key) or {}
        if instance is None:
            found = next(iter(running.values())) if len(running) == 1 else None
        else:
            found = running.get(instance)
        if found is None:
            raise AppLookupError(self._problem(app_key, instance, list(running)))
        if app_class is not None and not _is_a(found, app_class):
            raise AppLookupError(f"the app {app_key!r} must be a {app_class.__name__}, got a {type(found).__name__}")
        return found

    def instances(self, app_key: str, /) -> "dict[str, AnyApp[Any]]":
        """Return the running instances of an app, by name. The result is empty if the app is not running."""
        return dict(self._by_key.get(app_key) or {})

    def __contains__(self, app_key: object) -> bool:
        """Return whether at least one instance of an app is running."""
        return bool(self._by_key.get(app_key)) if isinstance(app_key, str) else False

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys of the running apps."""
        return iter([key for key, running in list(self._by_key.items()) if running])

    def __len__(self) -> int:
        return sum(bool(running) for running in list(self._by_key.values()))

    def _problem(self, app_key: str, instance: str | None, running: list[str]) -> str:
        statuses = list(self._statuses())
        of_app = [status for status in statuses if status.app_key == app_key]
        if not of_app:
            known = sorted({status.app_key for status in statuses})
            return unknown_app(app_key, known)
        names = [status.instance for status in of_app]
        if instance is None and len(running) > 1:
            return f"the app {app_key!r} has several instances: set instance to one of {', '.join(running)}"
        if instance is not None and instance not in names:
            return f"the app {app_key!r} has no instance {instance!r}. Instances: {', '.join(names)}"
        found = ", ".join(f"{s.subject} is {s.status}" for s in of_app if instance in (None, s.instance))
        return (
            f"the app {app_key!r} is not running ({found}). To start an app after it, add depends_on = [{app_key!r}] to"
            " the table of that app"
        )


def unknown_app(app_key: str, known: Sequence[str]) -> str:
    """Return the error message about an app that the configuration does not contain."""
    hint = did_you_mean(str(app_key), known, ".")
    return f"there is no app {app_key!r} in hassette.toml{hint} Apps: {', '.join(known) or 'none'}"


def _is_a(app: "AnyApp[Any]", app_class: type) -> bool:
    """Return whether an app has a class.

    After a reload, the caller may still have the class of the old module. It has the same name.
    """
    name = (app_class.__module__, app_class.__qualname__)
    return any((base.__module__, base.__qualname__) == name for base in type(app).__mro__)
