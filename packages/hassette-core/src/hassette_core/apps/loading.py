"""`load_apps`: import the modules of the apps and validate their settings.

Each error message names the app, the cause and a fix.
"""

import importlib
import inspect
import stat
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeGuard, get_args

from pydantic import SecretBytes, SecretStr, ValidationError
from pydantic.errors import PydanticErrorMixin

from hassette_core.apps.app import AnyApp, App, AppConfig
from hassette_core.apps.dependencies import dependency_problems
from hassette_core.apps.hooks import uncalled_hooks
from hassette_core.apps.imports import PACKAGE, open_package, restore_copies
from hassette_core.apps.instance_tables import check_reserved, instances_of, load_error, log_level_of
from hassette_core.apps.source_code import file_of
from hassette_core.apps.sync_app import SyncApp
from hassette_core.config import AppEntry
from hassette_core.config.problems import TEXT, UNKNOWN_KEY, dotted, expected_of, known_keys, unknown_key
from hassette_core.containment import acting_for
from hassette_core.errors import AppLoadError, describe_error, line_in
from hassette_core.redaction import is_secret_key, mask_secret_values
from hassette_core.replacements import import_advice
from hassette_core.suggestions import did_you_mean


class LoadedInstance(NamedTuple):
    """An instance that can be started.

    Attributes:
        app_key: The key of the app in ``hassette.toml``.
        instance: The name of the instance.
        app_class: The class of the app.
        config: The validated settings.
        depends_on: The keys of the apps that must be running before this app starts.
        rehearse: Whether the changes that the instance makes to the home are not sent.
        log_level: Minimum level of the log messages of the instance, such as ``debug``; None for the general level.
    """

    app_key: str
    instance: str
    app_class: type[AnyApp[Any]]
    config: AppConfig
    depends_on: tuple[str, ...] = ()
    rehearse: bool = False
    log_level: str | None = None


class LoadFailure(NamedTuple):
    """The failure to load an app or one of its instances.

    Attributes:
        app_key: The key of the app in ``hassette.toml``.
        instance: The name of the instance. Empty if the failure concerns all instances.
        error: The cause and a fix.
        app_class: The class of the app, if it was found and its code is wrong.
    """

    app_key: str
    instance: str
    error: AppLoadError
    app_class: type[AnyApp[Any]] | None = None


def load_apps(entries: Mapping[str, AppEntry], app_dir: Path) -> tuple[list[LoadedInstance], list[LoadFailure]]:
    """Load all enabled apps. An error in one app does not affect the others.

    Args:
        entries: The tables ``[apps.<key>]``, by app key.
        app_dir: The directory of the apps' modules.

    Returns:
        The instances that can be started, and the failures.
    """
    open_package(app_dir)
    try:
        return load_entries(entries, entries, app_dir)
    finally:
        restore_copies()


def load_entries(
    entries: Mapping[str, AppEntry], all_entries: Mapping[str, AppEntry], app_dir: Path
) -> tuple[list[LoadedInstance], list[LoadFailure]]:
    """Load some of the apps. Modules that are imported already are not read again.

    Args:
        entries: The tables of the apps to load, by app key.
        all_entries: The tables of all apps, on which these apps may depend.
        app_dir: The directory of the apps' modules.

    Returns:
        The instances that can be started, and the failures.
    """
    loaded: list[LoadedInstance] = []
    failed: list[LoadFailure] = []
    for app_key, entry in entries.items():
        if entry.enabled:
            instances, failures = _load_entry(app_key, entry, app_dir)
            loaded += instances
            failed += failures
    for app_key, app_class in {app.app_key: app.app_class for app in loaded}.items():
        try:  # after all imports, because another app may call the method
            _check_hooks(app_key, app_class, app_dir)
        except AppLoadError as error:
            loaded = [app for app in loaded if app.app_key != app_key]
            failed.append(LoadFailure(app_key, "", error, app_class))
    depends_on = {
        **{app_key: entry.depends_on for app_key, entry in all_entries.items() if app_key not in entries},
        **{app.app_key: app.depends_on for app in loaded},
    }
    problems = {
        app_key: problem
        for app_key, problem in dependency_problems(depends_on, all_entries).items()
        if app_key in entries
    }
    failed += [LoadFailure(app_key, "", load_error(app_key, problem)) for app_key, problem in problems.items()]
    return [app for app in loaded if app.app_key not in problems], failed


def _load_entry(app_key: str, entry: AppEntry, app_dir: Path) -> tuple[list[LoadedInstance], list[LoadFailure]]:
    loaded: list[LoadedInstance] = []
    failed: list[LoadFailure] = []
    try:
        with _containing(app_key, app_key, "cannot load it", app_dir):
            _check_app_key(app_key)
            app_class = _load_class(app_key, entry, app_dir)
            config_class = _config_class(app_key, app_class)
            if "rehearse" in entry.config and "rehearse" not in known_keys(config_class, ()):
                raise load_error(app_key, f"rehearse must be in [apps.{app_key}] or in one instance, not in its config")
            depends_on = _depends_on(app_key, entry.depends_on, app_class)
    except AppLoadError as error:
        return [], [LoadFailure(app_key, "", error)]
    seen: set[str] = set()
    for number, (name, own, settings) in enumerate(instances_of(app_key, entry), start=1):
        try:
            if not isinstance(name, str) or not name.strip():
                expected = "non-blank" if isinstance(name, str) else "a text"
                raise load_error(
                    app_key,
                    f"the name of instance {number} must be {expected}, got {name!r}; set it or leave it out",
                )
            if name in seen:
                raise load_error(app_key, f"the name of instance {number} must be unique, got {name!r} again")
            seen.add(name)
            check_reserved(app_key, name, own, config_class)
            rehearse = own.get("rehearse", entry.rehearse)
            if not isinstance(rehearse, bool):
                raise load_error(app_key, f"rehearse of instance {name!r} must be true or false, got {rehearse!r}")
            config = _configure(f"{app_key}.{name}", app_key, config_class, settings, app_dir)
            level = log_level_of(app_key, name, own.get("log_level", entry.log_level))
            loaded.append(LoadedInstance(app_key, name, app_class, config, depends_on, rehearse, level))
        except AppLoadError as error:
            failed.append(LoadFailure(app_key, str(name), error))
    return loaded, failed


def load_instance(
    app_class: type[AnyApp[Any]], app_key: str, instance: str, settings: Mapping[str, Any]
) -> LoadedInstance:
    """Return an instance of a class that is already imported, such as an app in a test.

    Args:
        app_class: The class of the app.
        app_key: The key that the app would have in ``hassette.toml``.
        instance: The name of the instance.
        settings: The settings, which are validated.

    Raises:
        AppLoadError: The class is not an app, or the settings are wrong. The message explains how to fix it.
    """
    _check_app_key(app_key)
    if not _is_app(app_class):
        raise load_error(app_key, f"class must be an App, got {app_class!r}: write class Name(App[YourConfig])")
    file = file_of(app_class)
    directory = Path.cwd() if file is None else file.parent
    config_class = _config_class(app_key, app_class)
    if file is not None:  # a class without a file, for example one of exec(), has no code to read
        _check_hooks(app_key, app_class, directory)
    config = _configure(f"{app_key}.{instance}", app_key, config_class, settings, directory)
    return LoadedInstance(app_key, instance, app_class, config, _depends_on(app_key, (), app_class))


def _check_app_key(app_key: str) -> None:
    # Logs and events name an instance as `app.instance`. With a dot in the key, another app could have the same name.
    if "." in app_key or not app_key.strip():
        raise load_error(app_key, f"the key of an app must be a non-blank name without a dot, got {app_key!r}")


def _load_class(app_key: str, entry: AppEntry, app_dir: Path) -> type[AnyApp[Any]]:
    try:
        _check_module(app_key, entry.module, app_dir)
    except OSError as error:  # for example a directory without read permission
        raise load_error(
            app_key, f"cannot read the directory of its module: {error.strerror}: {error.filename}"
        ) from None
    module = _import(app_key, entry.module, app_dir)
    found: Any = getattr(module, entry.class_name, None)
    where = f"{app_dir / Path(*entry.module.split('.'))}.py"
    if found is None:
        classes = sorted(name for name, value in vars(module).items() if _is_app(value))
        raise load_error(
            app_key,
            f"{where} has no class {entry.class_name!r}"
            + (f"; it has {', '.join(classes)}" if classes else " and no other App")
            + f". Set `class` in [apps.{app_key}] to the class of the app",
        )
    if not _is_app(found):
        raise load_error(
            app_key,
            f"class must be an App, got {entry.class_name!r} of {where}: write class"
            f" {entry.class_name}(App[YourConfig]) or (SyncApp[YourConfig])",
        )
    return found


def _is_app(value: object) -> TypeGuard[type[AnyApp[Any]]]:
    return inspect.isclass(value) and issubclass(value, AnyApp) and value not in (AnyApp, App, SyncApp)


def _check_module(app_key: str, module: str, app_dir: Path) -> None:
    if not stat.S_ISDIR(_mode_of(app_dir)):
        raise load_error(app_key, f"the directory {app_dir} does not exist; create it, or set app_dir in [hassette]")
    parts = module.split(".")
    path = app_dir.joinpath(*parts)
    if not all(part.isidentifier() for part in parts) or (len(parts) > 1 and parts[-1] == "py"):
        raise load_error(app_key, f"module must be a name without .py (light, or garden.light), got {module!r}")
    if not any(stat.S_ISREG(_mode_of(file)) for file in (path.with_suffix(".py"), path / "__init__.py")):
        modules = _module_names(app_dir)
        in_folder = [name for name in modules if name.endswith(f".{module}")]
        listed = ", ".join(name for name in modules if "." not in name) or "no module"
        hint = did_you_mean(module, modules, f"; the directory contains {listed}")
        if in_folder:
            hint = f"; did you mean {in_folder[0]!r}?"
        raise load_error(
            app_key, f"{path}.py does not exist. Set `module` in [apps.{app_key}] to a file name without .py{hint}"
        )


def _module_names(folder: Path, prefix: str = "") -> list[str]:
    """Return the names of the modules in a folder, and in its folders."""
    names: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".py":
            names.append(f"{prefix}{path.stem}")
        elif not prefix and path.name.isidentifier() and stat.S_ISDIR(_mode_of(path)):
            names += _module_names(path, f"{path.name}.")
    return names


def _mode_of(path: Path) -> int:
    """Return the mode of a file or directory; 0 if there is none.

    Raises:
        OSError: The system cannot answer, for example after an I/O error. On Python 3.14, `Path.is_dir` and
            `Path.is_file` would return False.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _import(app_key: str, module: str, app_dir: Path) -> ModuleType:
    path = app_dir.joinpath(*module.split("."))
    with _containing(app_key, app_key, f"cannot import {path}.py", app_dir):
        return importlib.import_module(f"{PACKAGE}.{module}")


@contextmanager
def _containing(subject: str, app_key: str, problem: str, app_dir: Path) -> Generator[None]:
    """Turn any exception of an app's code into an `AppLoadError`.

    Raises:
        AppLoadError: The ``with`` block failed.
    """
    with acting_for((app_key, "")):
        try:
            yield
        except AppLoadError:
            raise
        except BaseException as error:
            raise load_error(subject, f"{problem}: {_describe(error, app_dir)}") from error


def _config_class(app_key: str, app_class: type[AnyApp[Any]]) -> type[AppConfig]:
    try:
        return app_class.config_class()
    except AppLoadError as error:
        raise load_error(app_key, str(error)) from None


def _check_hooks(app_key: str, app_class: type[AnyApp[Any]], app_dir: Path) -> None:
    """Check that code calls each method that looks like a hook.

    Raises:
        AppLoadError: No code calls such a method. The app would start without its listeners, or not end properly.
    """
    hook = next((hook for hook in uncalled_hooks(app_class, app_dir) if hook.in_app), None)
    if hook is not None:
        raise load_error(app_key, f"{hook} Rename it, or remove it (line {hook.line} of {hook.file})")


def _describe(error: BaseException, app_dir: Path) -> str:
    """Return the type and message of an exception, with the line of the app that raised it."""
    # Use `message`, because the str of a pydantic error ends with a web address.
    message = error.message if isinstance(error, PydanticErrorMixin) else None
    text = describe_error(error) if message is None else f"{type(error).__name__}: {message}"
    if isinstance(error, PydanticErrorMixin) and error.code == "class-not-fully-defined":
        text += " Import that name at runtime, not under TYPE_CHECKING"
    if (advice := import_advice(error)) is not None:
        text += f"; {advice}"
    if isinstance(error, SyntaxError):
        return text  # the message names file and line
    file, line = line_in(app_dir, error)
    return f"{text} (line {line} of {file})" if line else text


def _depends_on(app_key: str, in_file: Sequence[str], app_class: type[AnyApp[Any]]) -> tuple[str, ...]:
    """Return the dependencies in the file and in the class, each once."""
    in_class: object = app_class.depends_on
    if not isinstance(in_class, list | tuple | set | frozenset):
        raise load_error(app_key, f"depends_on of {app_class.__name__} must be a list of app keys, got {in_class!r}")
    keys: list[object] = [*in_file, *in_class]  # pyright: ignore[reportUnknownVariableType]  code of an app
    for key in keys:
        if not isinstance(key, str):
            raise load_error(app_key, f"depends_on of {app_class.__name__} must contain app keys, got {key!r}")
    return tuple(dict.fromkeys(str(key) for key in keys))


def _configure(
    subject: str, app_key: str, config_class: type[AppConfig], settings: Mapping[str, Any], app_dir: Path
) -> AppConfig:
    with _containing(subject, app_key, f"{config_class.__name__}, the class of its settings, failed", app_dir):
        try:
            return config_class.model_validate(settings)
        except ValidationError as error:
            problems = "; ".join(_problem(details, config_class) for details in error.errors(include_url=False))
            raise load_error(subject, f"its settings in [apps.{app_key}] are wrong: {problems}") from None


def _problem(details: Any, config_class: type[AppConfig]) -> str:
    path = dotted(details["loc"]) or "the table"
    if details["type"] in UNKNOWN_KEY:
        return unknown_key(details["loc"], known_keys(config_class, details["loc"][:-1]))
    if details["type"] == "missing":
        return f"{path} is missing"
    value = details["input"]
    hidden = _is_secret(details, config_class) or isinstance(value, Mapping)
    expected = expected_of(details)
    problem = f"{path}: {details['msg']}" if expected is None else f"{path} must be {expected}"
    if expected == TEXT and hidden and isinstance(value, int | float):
        # Without this sentence, a number in secrets.toml would look like an error about the reference to it.
        return f"{problem}, got a number; write a secret in secrets.toml in quotes, too"
    return problem + ("" if hidden else f", got {mask_secret_values(value)!r}")


def _is_secret(details: Any, config_class: type[AppConfig]) -> bool:
    """Return whether the name of the key, or the type of the field, shows that the rejected value is a secret."""
    if any(is_secret_key(part) for part in details["loc"]):
        return True
    field = config_class.model_fields.get(str(details["loc"][0])) if details["loc"] else None
    return field is not None and not {SecretStr, SecretBytes}.isdisjoint(
        (field.annotation, *get_args(field.annotation))
    )
