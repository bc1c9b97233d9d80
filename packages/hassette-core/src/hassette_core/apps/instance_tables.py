"""The tables of the instances of an app in ``hassette.toml``: their names, their settings, and the framework's keys."""

from collections.abc import Mapping
from typing import Any, get_args

from hassette_core.apps.app import AppConfig
from hassette_core.config import AppEntry
from hassette_core.config.model import LogLevel
from hassette_core.config.problems import known_keys
from hassette_core.errors import AppLoadError

RESERVED = {
    "name": "the name of the instance",
    "rehearse": "the switch for its rehearsal",
    "log_level": "the level of its log messages",
}
"""The keys of an instance that the framework reads, and their meanings. The app's settings do not contain them."""


def load_error(subject: str, problem: str) -> AppLoadError:
    """Return the error for an app, or an instance, that cannot be loaded."""
    return AppLoadError(f"app {subject}: {problem}{'' if problem.endswith(('?', '.')) else '.'}")


def log_level_of(app_key: str, name: str, level: object) -> str | None:
    """Return the checked log level of an instance.

    Raises:
        AppLoadError: There is no such level.
    """
    if level is not None and level not in get_args(LogLevel):
        levels = ", ".join(get_args(LogLevel))
        raise load_error(app_key, f"log_level of the instance {name!r} must be one of {levels}, got {level!r}")
    return None if level is None else str(level)


def check_reserved(app_key: str, name: str, own: Mapping[str, Any], config_class: type[AppConfig]) -> None:
    """Check that no key of an instance is meant for the framework and for the settings of the app.

    Raises:
        AppLoadError: A key has both meanings.
    """
    known = known_keys(config_class, ())
    for key, meaning in RESERVED.items():
        if key in own and key in known:
            raise load_error(
                app_key,
                f"{key} of the instance {name!r} must not be a setting of {config_class.__name__} too, because in"
                f" `instances` it is {meaning}; rename the setting, or set it for all instances in"
                f" [apps.{app_key}.config]",
            )


def instances_of(app_key: str, entry: AppEntry) -> list[tuple[Any, dict[str, Any], dict[str, Any]]]:
    """Return the name of each instance, its values for the framework, and its settings.

    If an app has only one instance, the default name of that instance is the app key. If an app has several instances,
    their default names are the app key with a number, which counts from 1.
    """
    if not entry.instances:
        return [(app_key, {}, dict(entry.config))]
    found: list[tuple[Any, dict[str, Any], dict[str, Any]]] = []
    for number, values in enumerate(entry.instances, start=1):
        default = app_key if len(entry.instances) == 1 else f"{app_key}_{number}"
        own = {key: value for key, value in values.items() if key in RESERVED}
        # If there are instances, [apps.<key>.config] contains the settings that all of them share.
        settings = {**entry.config, **{key: value for key, value in values.items() if key not in RESERVED}}
        found.append((own.get("name", default), own, settings))
    return found
