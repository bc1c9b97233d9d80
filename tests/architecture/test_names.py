"""The public name of a class or type has one meaning in all packages."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SHOWN = "sync's answer with the facts of the executor's record; sync cannot import the executor"
SHARED = {
    "Accounting": _SHOWN,
    "DueTrigger": _SHOWN,
    "EventTrigger": _SHOWN,
    "ExitCode": "exit codes of core's command and of sync's command; neither package can import the other",
    "LifecycleEvent": _SHOWN,
    "LiveSnapshot": "sync's protocol, and the class of core that has its shape",
    "LogLine": _SHOWN,
    "Loss": _SHOWN,
    "NewerDatabaseError": "sync's error is a subclass of the store's error, so that one `except` catches both",
    "NotRun": _SHOWN,
    "Registration": _SHOWN,
    "ServiceCall": _SHOWN,
    "StateRead": _SHOWN,
    "Trigger": _SHOWN,
}
"""Names that two modules may define, each with the reason."""


def defined_types(module: Path) -> set[str]:
    """Return the names of the public classes and type aliases that a module defines."""
    names: set[str] = set()
    for node in ast.parse(module.read_text()).body:
        match node:
            case ast.ClassDef(name=name):
                names.add(name)
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ) if not isinstance(value, ast.Call):  # a call creates an object, or a type variable
                names.add(name)
            case _:
                pass
    return {name for name in names if name[0].isupper() and not name.isupper()}


def test_two_modules_define_the_same_type_only_with_a_reason() -> None:
    modules: dict[str, list[str]] = defaultdict(list)
    for module in sorted(ROOT.glob("packages/*/src/**/*.py")):
        for name in defined_types(module):
            modules[name].append(module.relative_to(ROOT).as_posix())
    shared = {name: found for name, found in modules.items() if len(found) > 1}

    assert {name: found for name, found in shared.items() if name not in SHARED} == {}
    assert {name for name in SHARED if name not in shared} == set(), "a name that is no longer shared needs no reason"
