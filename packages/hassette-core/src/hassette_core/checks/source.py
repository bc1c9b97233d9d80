"""Read the code of an app, and find names that do not exist, calls that are not awaited, and methods that never run."""

import ast
import dataclasses
import inspect
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from hassette_core.api import Api, service_of
from hassette_core.app_component import unknown_member
from hassette_core.apps import AnyApp, AppContext, AppStorage, RunningApps, SyncApp
from hassette_core.apps.blocking import SyncApi, SyncBus, SyncHome, SyncScheduler, SyncTime
from hassette_core.apps.hooks import uncalled_hooks
from hassette_core.apps.source_code import attributes_of_others, class_node, file_of, imported_trees
from hassette_core.bus import AppBus
from hassette_core.checks.attributes import (
    assigned_attributes,
    has_dynamic_attributes,
    methods,
    private_names,
    walk_self,
    without_aliases,
)
from hassette_core.checks.findings import Finding, Level
from hassette_core.conditions import above, below, state_is
from hassette_core.entities import is_glob
from hassette_core.errors import RegistrationError
from hassette_core.handlers import is_async
from hassette_core.home import HomeRegistry
from hassette_core.moments import AppTime, parse_moment
from hassette_core.replacements import replacement_of
from hassette_core.scheduler import AppScheduler
from hassette_core.states import States
from hassette_core.suggestions import did_you_mean

_COMPONENTS: dict[str, type] = {
    "api": Api,
    "bus": AppBus,
    "scheduler": AppScheduler,
    "states": States,
    "home": HomeRegistry,
    "time": AppTime,
    "apps": RunningApps,
    "storage": AppStorage,
    "logger": logging.Logger,
}
_BLOCKING_COMPONENTS: dict[str, type] = {
    **_COMPONENTS,
    "api": SyncApi,
    "bus": SyncBus,
    "scheduler": SyncScheduler,
    "home": SyncHome,
    "time": SyncTime,
}
"""The components of a `SyncApp`. Their methods are not coroutine functions."""
_INSTANCE_ATTRIBUTES = frozenset({"config", "logger", *(field.name for field in dataclasses.fields(AppContext))})
_TAKES_MOMENTS = {
    *(("scheduler", name) for name in ("run_once", "run_daily", "run_every")),
    *(("time", name) for name in ("parse", "next", "is_between")),
}
"""The methods whose arguments may be moments, such as ``"input_datetime.wake_up"``."""
_SWITCHES = ("turn_on", "turn_off", "toggle")
_STATE_CONDITIONS = (state_is, above, below)


class EntityUse(NamedTuple):
    """An entity id that is written in the code of an app, with its line."""

    entity_id: str
    line: int


class ServiceUse(NamedTuple):
    """A service call in the code of an app, with its line."""

    domain: str
    service: str
    line: int


class AppSource(NamedTuple):
    """The result of reading the code of an app.

    Attributes:
        file: The file of the app's class.
        findings: The problems in the code.
        entities: The entity ids in the code.
        created: The entity ids and globs that the code in the directory of the apps creates with `Api.set_state`.
        created_settings: The settings with entity ids that the app creates, such as ``sensor`` for
            ``self.config.sensor``.
        services: The service calls in the code.
        reads_states: Whether the code reads states.
        has_methods: Whether the class has methods.
    """

    file: str = ""
    findings: tuple[Finding, ...] = ()
    entities: tuple[EntityUse, ...] = ()
    created: frozenset[str] = frozenset()
    created_settings: frozenset[str] = frozenset()
    services: tuple[ServiceUse, ...] = ()
    reads_states: bool = False
    has_methods: bool = False


def check_source(app_key: str, app_class: type[AnyApp[Any]], app_dir: Path) -> AppSource:
    """Read the code of an app.

    Only code in ``app_dir`` is read. Names such as ``self.limit`` are checked only if the code shows all attributes of
    the class. It does not if a base class is in another library, or if the class sets attributes dynamically. Other
    code in ``app_dir`` may set attributes of the app and call its methods.

    Args:
        app_key: The key of the app.
        app_class: The class of the app.
        app_dir: The directory of the apps' modules.
    """
    reader = _Reader(app_key, app_class, imported_trees(app_dir))
    for cls in app_class.__mro__:
        if cls.__module__.startswith("hassette_core") or cls.__module__ in ("builtins", "typing"):
            continue
        file = file_of(cls)
        node = None if file is None or app_dir not in file.parents else class_node(file, cls)
        if file is None or node is None:
            reader.complete = False  # a base class of another library, or a class without a file
        else:
            reader.add(cls, file, node)
    source = reader.read()
    hooks = [
        Finding(
            # Code of another library may call the methods of a mixin.
            Level.FAILED if hook.in_app else Level.WARNING,
            app_key,
            f"app {app_key}: {hook}",
            hook.file,
            hook.line,
        )
        for hook in uncalled_hooks(app_class, app_dir)
    ]
    return source._replace(findings=(*hooks, *source.findings))


class _Reader:
    """Collects the findings in the classes of one app.

    Attributes:
        complete: Whether the code of all base classes is known.
    """

    def __init__(self, app_key: str, app_class: type[AnyApp[Any]], modules: Sequence[ast.Module]) -> None:
        self.complete = True
        self._app_key = app_key
        self._app_class = app_class
        self._modules = modules
        self._classes: list[tuple[str, ast.ClassDef]] = []
        self._findings: list[Finding] = []
        self._entities: list[EntityUse] = []
        self._created: set[str] = set()
        self._created_settings: set[str] = set()
        self._services: list[ServiceUse] = []
        self._reads_states = False
        self._globals: dict[str, Any] = {}
        self._assigned: frozenset[str] = frozenset()
        self._components = dict(_BLOCKING_COMPONENTS if issubclass(app_class, SyncApp) else _COMPONENTS)
        config_class = app_class.config_class()
        self._config_names = {*config_class.model_fields, *dir(config_class)}
        self._any_config = config_class.model_config.get("extra") == "allow"

    def add(self, cls: type, file: Path, node: ast.ClassDef) -> None:
        self._globals = {**vars(sys.modules[cls.__module__]), **self._globals}
        self._classes.append((str(file), node))

    def read(self) -> AppSource:
        nodes = [node for _, node in self._classes]
        classes = {node.name for node in nodes}
        assigned = {name for node in nodes for name in assigned_attributes(node, classes)}
        self._assigned = frozenset(assigned)
        for name in assigned & self._components.keys():
            del self._components[name]  # the app has replaced the component by another object
        self._any_config = self._any_config or "config" in assigned
        outside = {name for module in self._modules for name in attributes_of_others(module, ast.Store)}
        known = {*dir(self._app_class), *_INSTANCE_ATTRIBUTES, *assigned, *outside}
        dynamic = any(has_dynamic_attributes(node) for node in nodes)
        any_attribute = any("__getattr__" in vars(cls) for cls in self._app_class.__mro__ if cls is not AnyApp)
        unknown_allowed = not self.complete or dynamic or any_attribute
        for file, node in self._classes:
            known_here = None if unknown_allowed else known | private_names(node)
            for function, self_name in methods(node):
                for item in walk_self(without_aliases(function, self_name, self._components), self_name):
                    self._check_node(file, item, self_name, known_here)
        for module in self._modules:
            self._collect_created(module)
        return AppSource(
            self._classes[0][0] if self._classes else "",
            tuple(self._findings),
            tuple(self._entities),
            frozenset(self._created),
            frozenset(self._created_settings),
            tuple(self._services),
            self._reads_states,
            any(True for node in nodes for _ in methods(node)),
        )

    def _add(self, text: str, file: str, line: int) -> None:
        self._findings.append(Finding(Level.FAILED, self._app_key, f"app {self._app_key}: {text}", file, line))

    def _check_node(self, file: str, node: ast.AST, self_name: str, known: set[str] | None) -> None:
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=name, ctx=ast.Load()) if owner == self_name:
                self._reads_states = self._reads_states or name == "states"
                if known is not None and name not in known:
                    self._add(f"self.{name} does not exist{self._replacement(name, known)}", file, node.lineno)
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=owner), attr=part), attr=name, ctx=ast.Load()) if (
                owner == self_name
            ):
                self._check_member(file, node.lineno, part, name)
            case (
                ast.Expr(value=ast.Call(func=function))
                | ast.If(test=ast.Call(func=function))
                | ast.While(test=ast.Call(func=function))
                | ast.UnaryOp(op=ast.Not(), operand=ast.Call(func=function))
            ) if (text := self._coroutine(function, self_name)) is not None:
                problem = "has no effect" if isinstance(node, ast.Expr) else "is always true"
                self._add(f"{text}(…) {problem}, because it is not awaited: write await {text}(…)", file, node.lineno)
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id=owner), attr=part), attr=name)) if (
                owner == self_name and part in self._components
            ):
                self._collect_uses(file, part, name, node)
            case ast.Call(func=ast.Name(id=name), args=[entities, *_]) if self._globals.get(name) in _STATE_CONDITIONS:
                self._collect_entities(entities)
            case ast.Subscript(value=ast.Attribute(value=ast.Name(id=owner), attr="states"), slice=index) if (
                owner == self_name and "states" in self._components
            ):
                self._collect_entities(index)
            case _:
                pass

    def _check_member(self, file: str, line: int, part: str, name: str) -> None:
        if part == "config":
            if not self._any_config and name not in self._config_names:
                fields = self._app_class.config_class().model_fields
                suggestion = did_you_mean(name, fields, form="self.config.{}")
                self._add(f"self.config.{name} does not exist{suggestion}", file, line)
        elif (component := self._components.get(part)) is not None and not hasattr(component, name):
            if part == "logger" and name in vars(logging.getLogger()):
                return  # an attribute that only a logger object has, and not the class
            self._add(unknown_member(part, component, name), file, line)

    def _replacement(self, name: str, known: set[str]) -> str:
        if (replacement := replacement_of(name)) is not None:
            return f"; use {replacement}"
        return did_you_mean(name, (each for each in known if not each.startswith("__")), form="self.{}")

    def _coroutine(self, function: ast.expr, self_name: str) -> str | None:
        """Return the text of the called function if it is a coroutine function, else None."""
        match function:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner == self_name:
                found = inspect.getattr_static(self._app_class, name, None)
                return f"self.{name}" if inspect.iscoroutinefunction(found) else None
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=owner), attr=part), attr=name) if (
                owner == self_name and part in self._components
            ):
                found = getattr(self._components[part], name, None)
                return f"self.{part}.{name}" if callable(found) and is_async(found) else None
            case ast.Attribute(value=ast.Name(id="asyncio"), attr="sleep" | "wait" | "wait_for" as name):
                return f"asyncio.{name}"
            case _:
                return None

    def _collect_uses(self, file: str, part: str, name: str, call: ast.Call) -> None:
        if part == "states" and name == "get" and call.args:
            self._collect_entities(call.args[0])
        elif part == "bus" and name in ("on_state_change", "on_attribute_change") and len(call.args) > 1:
            self._collect_entities(call.args[1])
        elif (part, name) in _TAKES_MOMENTS:
            for value in [*call.args, *(keyword.value for keyword in call.keywords)]:
                self._entities += _entities_of_moments(self._uses(value))
        elif part == "api":
            texts = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            if name == "get_state" and call.args:
                self._reads_states = True
                self._collect_entities(call.args[0])
            elif name in _SWITCHES and call.args:
                self._collect_entities(call.args[0])
            elif name == "call_service":
                for keyword in call.keywords:
                    if keyword.arg in ("target", "entity_id"):
                        self._collect_entities(keyword.value)
                match texts:
                    case [domain, *others] if len(texts) == len(call.args) <= 2:
                        try:
                            service = service_of(cast("str", domain), *cast("list[str]", others))
                        except (TypeError, ValueError) as error:
                            self._add(str(error), file, call.lineno)
                        else:
                            self._services.append(ServiceUse(*service, call.lineno))
                    case _:
                        pass

    def _collect_created(self, module: ast.Module) -> None:
        """Collect the entities that any code writes with `Api.set_state`, also code outside of the app's class."""
        for node in ast.walk(module):
            match node:
                case ast.Call(func=ast.Attribute(attr="set_state"), args=[value, *_]):
                    self._add_created(value)
                case ast.Call(func=ast.Attribute(attr="set_state"), keywords=keywords):
                    for keyword in keywords:
                        if keyword.arg == "entity_id":
                            self._add_created(keyword.value)
                case _:
                    pass

    def _add_created(self, value: ast.expr) -> None:
        match value:
            case ast.Attribute(value=ast.Attribute(attr="config"), attr=name):
                self._created_settings.add(name)
            case ast.JoinedStr(values=parts):
                texts = [part.value if isinstance(part, ast.Constant) else "*" for part in parts]
                self._created.add("".join(map(str, texts)))
            case _:
                self._created.update(use.entity_id for use in self._uses(value))

    def _collect_entities(self, value: ast.expr) -> None:
        self._entities += self._uses(value)

    def _uses(self, value: ast.expr) -> Iterator[EntityUse]:
        """Yield the entity ids in an expression. A constant of the module or class counts: ``LIGHT = "light.hall"``."""
        match value:
            case ast.Constant(value=constant):
                yield from _uses_in(constant, value.lineno)
            case ast.Name(id=name):
                yield from _uses_in(self._globals.get(name), value.lineno)
            case ast.Attribute(value=ast.Name(), attr=name) if name not in self._assigned:
                yield from _uses_in(inspect.getattr_static(self._app_class, name, None), value.lineno)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                for item in items:
                    yield from self._uses(item)
            case ast.Dict(keys=keys, values=values):
                for key, item in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "entity_id":
                        yield from self._uses(item)
            case _:
                pass


def _entities_of_moments(uses: Iterable[EntityUse]) -> Iterator[EntityUse]:
    """Yield the entities of the texts that are moments. The trial start of the app reports the other texts."""
    for text, line in ((use.entity_id, use.line) for use in uses):
        try:
            entities = parse_moment(text).entities()
        except RegistrationError:
            continue
        yield from (EntityUse(entity_id, line) for entity_id in entities)


def _uses_in(value: object, line: int) -> Iterator[EntityUse]:
    if isinstance(value, str) and not is_glob(value):
        yield EntityUse(value, line)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in cast("Iterable[object]", value):
            yield from _uses_in(item, line)
