"""`RunningApps`: the other apps, ``self.apps``."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hassette_core.app_component import AppComponent
from hassette_core.apps.status import AppStatus
from hassette_core.errors import AppLookupError
from hassette_core.suggestions import did_you_mean

if TYPE_CHECKING:
    from hassette_core.apps.app import AnyApp  # an app has a RunningApps

AppT = TypeVar("AppT", bound="AnyApp[Any]")


class RunningApps(AppComponent, attribute="apps"):
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
            instance: The name of the instance. An app that has only one instance in ``hassette.toml`` does not need it.

        Raises:
            AppLookupError: There is no such app, it is not running, it has several instances, or it has another class.
                The message explains how to fix it. The error is also a `LookupError`.
        """
        running = self._by_key.get(app_key) or {}
        if instance is not None:
            found = running.get(instance)
        elif len(running) == 1 and sum(status.app_key == app_key for status in self._statuses()) == 1:
            (found,) = tuple(running.values())
        else:  # another instance may be down at the moment; the caller must not get a wrong one
            found = None
        if found is None:
            raise AppLookupError(self._problem(app_key, instance))
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

    def _problem(self, app_key: str, instance: str | None) -> str:
        statuses = list(self._statuses())
        of_app = [status for status in statuses if status.app_key == app_key]
        if not of_app:
            return unknown_app(app_key, [(status.app_key, status.instance) for status in statuses])
        names = [status.instance for status in of_app if status.instance]
        if instance is None and len(names) > 1:
            return f"the app {app_key!r} has several instances: set instance to one of {', '.join(names)}"
        if instance is not None and names and instance not in names:
            hint = did_you_mean(str(instance), names, f". Instances: {', '.join(names)}")
            return f"the app {app_key!r} has no instance {instance!r}{hint}"
        found = ", ".join(f"{s.subject} is {s.status}" for s in of_app if instance in (None, s.instance) or not names)
        return (
            f"the app {app_key!r} is not running ({found}). To start an app after it, add depends_on = [{app_key!r}] to"
            " the table of that app"
        )


def unknown_app(app_key: str, known: Iterable[tuple[str, str]]) -> str:
    """Return the error message about an app that the configuration does not contain.

    Args:
        app_key: The unknown key.
        known: The key and the instance of each app. The instance may be empty.
    """
    instances = list(known)
    keys = sorted({key for key, _ in instances})
    named = [(key, name) for key, name in instances if name != key and app_key in (name, f"{key}.{name}")]
    last_parts = [key for key in keys if app_key in (key.rpartition(".")[2], key.partition(".")[0])]
    if named:
        (key, name), *_ = named
        hint = f"; did you mean the instance '{key}.{name}', get({key!r}, instance={name!r})?"
    elif last_parts:
        hint = f"; did you mean {last_parts[0]!r}?"
    else:
        hint = did_you_mean(str(app_key), keys, ".")
    return f"there is no app {app_key!r} in hassette.toml{hint} Apps: {', '.join(keys) or 'none'}"


def _is_a(app: "AnyApp[Any]", app_class: type) -> bool:
    """Return whether an app has a class.

    After a reload, the caller may still have the class of the old module. It has the same name.
    """
    name = (app_class.__module__, app_class.__qualname__)
    return any((base.__module__, base.__qualname__) == name for base in type(app).__mro__)
