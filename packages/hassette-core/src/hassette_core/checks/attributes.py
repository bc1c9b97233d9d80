"""Find the methods of a class, and the attributes that its code assigns."""

import ast
import copy
from collections import Counter, deque
from collections.abc import Collection, Iterator, Set

from hassette_core.apps.source_code import used_attributes


def methods(node: ast.ClassDef) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Yield the methods of a class, with the name of the first parameter (``self``)."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {decorator.id for decorator in item.decorator_list if isinstance(decorator, ast.Name)}
            parameters = [*item.args.posonlyargs, *item.args.args]
            if parameters and not decorators & {"staticmethod", "classmethod"}:
                yield item, parameters[0].arg


def walk_self(function: ast.AST, self_name: str) -> Iterator[ast.AST]:
    """Yield all nodes of a method, without the inner functions and classes in which ``self`` is another object."""
    waiting = deque(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.popleft()
        match node:
            case ast.FunctionDef(args=arguments) | ast.AsyncFunctionDef(args=arguments) | ast.Lambda(args=arguments):
                names = (each.arg for each in ast.walk(arguments) if isinstance(each, ast.arg))
                if self_name in names:
                    continue
            case _:
                pass
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def without_aliases(
    function: ast.FunctionDef | ast.AsyncFunctionDef, self_name: str, components: Collection[str]
) -> ast.AST:
    """Return a method in which each alias of a component is replaced: after ``s = self.scheduler``, ``s`` is one.

    A variable that the method assigns more than once is no alias.

    Args:
        function: The method.
        self_name: The name of its first parameter.
        components: The attributes whose aliases are replaced.
    """
    aliases: dict[str, ast.Attribute] = {}
    names = Counter(item.arg for item in ast.walk(function) if isinstance(item, ast.arg))
    for item in ast.walk(function):
        if isinstance(item, ast.Name) and not isinstance(item.ctx, ast.Load):
            names[item.id] += 1
        for target, value in _assignments(item):
            match target, value:
                case ast.Name(id=name), ast.Attribute(value=ast.Name(id=owner), attr=attribute) if (
                    owner == self_name and attribute in components
                ):
                    aliases[name] = value
                case _:
                    pass
    aliases = {name: value for name, value in aliases.items() if names[name] == 1}
    return _ReplaceAliases(aliases).visit(copy.deepcopy(function)) if aliases else function


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)) if len(targets) == len(values):
            yield from zip(targets, values, strict=True)
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.NamedExpr(target=target, value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
            yield target, value
        case _:
            pass


class _ReplaceAliases(ast.NodeTransformer):
    def __init__(self, aliases: dict[str, ast.Attribute]) -> None:
        self._aliases = aliases

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self._aliases.get(node.id)
        if value is None or not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(ast.Attribute(value.value, value.attr, ast.Load()), node)


def assigned_attributes(node: ast.ClassDef, classes: Set[str]) -> Iterator[str]:
    """Yield the attributes that a class assigns to its objects or to a class.

    An attribute that the code expects to be missing at times also counts as assigned.

    Args:
        node: The class.
        classes: The names of the class and its base classes.
    """
    for function, self_name in methods(node):
        for item in walk_self(function, self_name):
            match item:
                case ast.Attribute(value=ast.Name(id=owner), attr=name, ctx=ast.Store()) if owner == self_name:
                    yield name
                case ast.Call(func=ast.Name(id="hasattr" | "getattr"), args=[_, ast.Constant(value=str() as name), *_]):
                    yield name  # the code expects that the attribute may be missing
                case ast.Try(body=body, handlers=handlers) if any(map(_catches_missing_attribute, handlers)):
                    for each in body:
                        yield from used_attributes(each)  # for the same reason
                case _:
                    pass
    for item in ast.walk(node):
        match item:
            case ast.Attribute(value=ast.Name(id=owner), attr=name, ctx=ast.Store()) if owner in classes | {"cls"}:
                yield name
            case ast.Attribute(
                value=ast.Call(func=ast.Name(id="type")) | ast.Attribute(attr="__class__"), attr=name, ctx=ast.Store()
            ):
                yield name
            case _:
                pass
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            yield item.target.id


def private_names(node: ast.ClassDef) -> set[str]:
    """Return the names with two leading underscores that the body of a class defines.

    Python stores ``__limit`` of the class ``Hall`` as ``_Hall__limit``, so the class has no attribute ``__limit``.
    """
    defined = {item.id for item in ast.walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
    defined |= {item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    return {name for name in defined if name.startswith("__")}


def _catches_missing_attribute(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and any(
        isinstance(item, ast.Name) and item.id == "AttributeError" for item in ast.walk(handler.type)
    )


def has_dynamic_attributes(node: ast.ClassDef) -> bool:
    """Return whether a class sets attributes whose names its code does not show."""
    return any(
        (isinstance(item, ast.Name) and item.id in ("setattr", "vars"))
        or (isinstance(item, ast.Attribute) and item.attr in ("__dict__", "__setattr__"))
        for item in ast.walk(node)
    )
