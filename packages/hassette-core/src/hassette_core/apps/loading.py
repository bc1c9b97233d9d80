"""From ``hassette.toml`` to classes and checked settings: every mistake becomes one paragraph that says the mend."""

import difflib
import importlib
import inspect
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol, TypeGuard, get_args

from pydantic import SecretBytes, SecretStr, ValidationError
from pydantic.errors import PydanticErrorMixin

from hassette_core.apps.app import App, AppConfig
from hassette_core.errors import AppLoadError
from hassette_core.secrets import sounds_secret, without_secrets

PACKAGE = "hassette_apps"
"""The package as which ``app_dir`` is imported, so that an app named ``calendar`` does not hide Python's."""


class AppEntry(Protocol):
    """``[apps.<key>]``, as loading reads it."""

    @property
    def module(self) -> str:
        """The module in ``app_dir``."""
        ...

    @property
    def class_name(self) -> str:
        """The class in it."""
        ...

    @property
    def enabled(self) -> bool:
        """False leaves the app out."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings, when it runs once."""
        ...

    @property
    def instances(self) -> Sequence[Mapping[str, Any]]:
        """The settings of each instance, with its ``name``, when it runs several times."""
        ...


class LoadedApp(NamedTuple):
    """One instance that can be started.

    Attributes:
        key: The app's key.
        instance: The instance's name.
        app_class: Its class.
        config: Its settings.
    """

    key: str
    instance: str
    app_class: type[App[Any]]
    config: AppConfig


class FailedApp(NamedTuple):
    """One app, or one instance of it, that cannot be started.

    Attributes:
        key: The app's key.
        instance: The instance's name; empty when the whole app is meant.
        error: Why.
    """

    key: str
    instance: str
    error: AppLoadError


def load_apps(entries: Mapping[str, AppEntry], app_dir: Path) -> tuple[list[LoadedApp], list[FailedApp]]:
    """Load all apps; one that cannot be loaded leaves the others as they are.

    Args:
        entries: ``[apps]``, by key.
        app_dir: Where their modules are.
    """
    _open_package(app_dir)
    loaded: list[LoadedApp] = []
    failed: list[FailedApp] = []
    for key, entry in entries.items():
        if not entry.enabled:
            continue
        try:
            app_class = _load_class(key, entry, app_dir)
            config_class = _config_class(key, app_class)
        except AppLoadError as error:
            failed.append(FailedApp(key, "", error))
            continue
        seen: set[str] = set()
        for number, (name, settings) in enumerate(_instances(key, entry), start=1):
            try:
                if not name.strip():
                    raise _bad(key, f"instance {number} has an empty name; give it one, or leave `name` out")
                if name in seen:
                    raise _bad(key, f"instance {number} is named {name!r}, and so is one before it; give each its own")
                seen.add(name)
                config = _configure(f"{key}.{name}", key, config_class, settings, app_dir)
                loaded.append(LoadedApp(key, name, app_class, config))
            except AppLoadError as error:
                failed.append(FailedApp(key, name, error))
    return loaded, failed


def _open_package(app_dir: Path) -> None:
    """Make ``app_dir`` importable anew: what was imported before is forgotten, so that edits count."""
    for name in [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    package = ModuleType(PACKAGE, "Your apps.")
    package.__path__ = [str(app_dir)]
    sys.modules[PACKAGE] = package
    if str(app_dir) not in sys.path:
        # At the end: apps may import each other's modules by their plain names, but hide nobody else's.
        sys.path.append(str(app_dir))


def _load_class(key: str, entry: AppEntry, app_dir: Path) -> type[App[Any]]:
    try:
        _check_module(key, entry.module, app_dir)
    except OSError as error:  # a directory that is closed to us, say
        raise _bad(key, f"its module cannot be looked for: {error.strerror}: {error.filename}") from None
    module = _import(key, entry.module, app_dir)
    found: Any = getattr(module, entry.class_name, None)
    where = f"{app_dir / Path(*entry.module.split('.'))}.py"
    if found is None:
        classes = sorted(name for name, value in vars(module).items() if _is_app(value))
        raise _bad(
            key,
            f"{where} has no class {entry.class_name!r}"
            + (f"; it has {', '.join(classes)}" if classes else ", nor any other App")
            + f". Set `class` in [apps.{key}] to the class to run",
        )
    if not _is_app(found):
        raise _bad(key, f"{entry.class_name} in {where} is not an App: write class {entry.class_name}(App[YourConfig])")
    return found


def _is_app(value: object) -> TypeGuard[type[App[Any]]]:
    return inspect.isclass(value) and issubclass(value, App) and value is not App


def _check_module(key: str, module: str, app_dir: Path) -> None:
    if not app_dir.is_dir():
        raise _bad(key, f"there is no directory {app_dir} to load apps from; make it, or set app_dir in [hassette]")
    parts = module.split(".")
    path = app_dir.joinpath(*parts)
    if not all(part.isidentifier() for part in parts) or (len(parts) > 1 and parts[-1] == "py"):
        raise _bad(key, f"module = {module!r} is not a module's name: leave .py out, and write folder.file")
    if not path.with_suffix(".py").is_file() and not (path / "__init__.py").is_file():
        there = sorted(file.stem for file in app_dir.glob("*.py"))
        close = difflib.get_close_matches(module, there, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the directory has {', '.join(there) or 'none'}"
        raise _bad(key, f"there is no {path}.py. Set `module` in [apps.{key}] to a file's name without .py: {hint}")


def _import(key: str, module: str, app_dir: Path) -> ModuleType:
    try:
        return importlib.import_module(f"{PACKAGE}.{module}")
    except (Exception, SystemExit) as error:  # an app's module is somebody's code, and may end in any way
        path = app_dir.joinpath(*module.split("."))
        raise _bad(key, f"{path}.py does not import: {_what_and_where(error, app_dir)}") from error


def _config_class(key: str, app_class: type[App[Any]]) -> type[AppConfig]:
    try:
        return app_class.config_class()
    except AppLoadError as error:
        raise _bad(key, str(error)) from None


def _what_and_where(error: BaseException, app_dir: Path) -> str:
    said = error.message if isinstance(error, PydanticErrorMixin) else str(error)  # its str ends in a web address
    text = f"{type(error).__name__}: {said}"
    if isinstance(error, SyntaxError):
        return text  # it names file and line itself
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(app_dir))]
    return f"{text} (line {frames[-1].lineno} of {frames[-1].filename})" if frames else text


def _instances(key: str, entry: AppEntry) -> list[tuple[str, dict[str, Any]]]:
    """Return each instance's name and settings. One alone is named like the app; several count from 1."""
    if not entry.instances:
        return [(key, dict(entry.config))]
    found: list[tuple[str, dict[str, Any]]] = []
    for number, settings in enumerate(entry.instances, start=1):
        default = key if len(entry.instances) == 1 else f"{key}_{number}"
        own = {name: value for name, value in settings.items() if name != "name"}
        # [apps.x.config] beside instances holds what they have in common.
        found.append((str(settings.get("name", default)), {**entry.config, **own}))
    return found


def _configure(
    app: str, key: str, config_class: type[AppConfig], settings: Mapping[str, Any], app_dir: Path
) -> AppConfig:
    try:
        return config_class.model_validate(settings)
    except ValidationError as error:
        problems = "; ".join(_problem(details, config_class) for details in error.errors(include_url=False))
        raise _bad(app, f"its settings in [apps.{key}] are wrong: {problems}") from None
    except (Exception, SystemExit) as error:  # its validators are somebody's code, and may end in any way
        raise _bad(
            app, f"{config_class.__name__}, the class of its settings, failed: {_what_and_where(error, app_dir)}"
        ) from error


def _problem(details: Any, config_class: type[AppConfig]) -> str:
    path = ".".join(str(part) for part in details["loc"]) or "the whole"
    if details["type"] == "extra_forbidden":
        known = list(config_class.model_fields)
        close = difflib.get_close_matches(path, known, n=1)
        return f"{path} is not a setting of it" + (
            f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known) or 'none'}"
        )
    if details["type"] == "missing":
        return f"{path} is missing"
    hidden = _hides(details, config_class) or isinstance(details["input"], Mapping)
    found = "" if hidden else f" = {without_secrets(details['input'])!r}"
    return f"{path}{found}: {details['msg']}"


def _hides(details: Any, config_class: type[AppConfig]) -> bool:
    """Whether the value that was found is a secret, by the name of its key or by its type."""
    if any(sounds_secret(part) for part in details["loc"]):
        return True
    field = config_class.model_fields.get(str(details["loc"][0])) if details["loc"] else None
    return field is not None and not {SecretStr, SecretBytes}.isdisjoint(
        (field.annotation, *get_args(field.annotation))
    )


def _bad(app: str, problem: str) -> AppLoadError:
    return AppLoadError(f"app {app}: {problem}{'' if problem.endswith(('?', '.')) else '.'}")
