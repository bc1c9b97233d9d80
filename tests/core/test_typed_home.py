"""The generated module of a home: Python can import it, and its text is stable."""

import asyncio
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.checks import HomeSnapshot, read_home
from hassette_core.cli.check import check
from hassette_core.cli.generate import generate
from hassette_core.config import HassetteConfig
from hassette_core.simulation.home import SimulatedHome
from hassette_core.typed_home import typed_home, write_typed_home

pytestmark = pytest.mark.heavy

FIELDS = {
    "level": {"required": True, "selector": {"number": {"min": 0}}},
    "mode": {"selector": {"select": {"options": ["b", {"value": "a", "label": "A"}]}}},
    "more": {"fields": {"deep": {"selector": {"boolean": {}}}}},
    "class": {"selector": {"text": {}}},
    "target": {"selector": {"text": {}}},
    "any": {},
}


def snapshot(*entity_ids: str, **services: Any) -> HomeSnapshot:
    """Return a home with these entities, each with an attribute, and the services of the domain ``odd``."""
    states = {entity_id: {"attributes": {"käse 1": 1, "off": None}} for entity_id in entity_ids}
    return HomeSnapshot("http://home", "2026.11", states, {"odd": services}, {"kitchen": "Küche", "2": "Zwei"})


def load(home: HomeSnapshot, folder: Path) -> ModuleType:
    """Write the module, and import it."""
    file = folder / "generated_home.py"
    write_typed_home(home, file)
    spec = importlib.util.spec_from_file_location("generated_home", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_entity_is_an_attribute_with_its_id(tmp_path: Path) -> None:
    odd = ["light.hall", "light.1st", "light.class", "light.n1st", "light.match", "import.x", "services.a", "areas.b"]
    home = snapshot(*odd)
    names = re.findall(r"(?m)^(?:async )?(?:class|def) (\w+)", typed_home(home))
    assert len(names) == len(set(names))
    module = load(home, tmp_path)
    light = module.light
    assert (light.hall, light.n1st_, light.class_, light.n1st, light.match_) == (
        *("light.hall", "light.1st", "light.class", "light.n1st", "light.match"),
    )
    assert (module.import_.x, module.services_.a, module.areas_.b) == ("import.x", "services.a", "areas.b")
    assert (module.areas.kitchen, module.areas.n2_) == ("kitchen", "2")
    assert type(light.hall) is str


def test_fields_of_services_have_the_types_of_their_selectors(tmp_path: Path) -> None:
    text = typed_home(snapshot("light.hall", **{"set_level": {"fields": FIELDS}, "from": {}}))
    for line in ("level: Required[float]", "mode: Literal['a', 'b']", "deep: bool", "any: Any"):
        assert f"    {line}\n" in text
    assert "    class:" not in text
    assert "    target:" not in text
    assert "async def from_(self, api: Api, **fields: Unpack[OddFromFields])" in text
    assert "'käse 1': 'float'," in text
    load(snapshot("light.hall", set_level={"fields": FIELDS}), tmp_path)


def test_text_does_not_depend_on_the_order_of_the_home() -> None:
    one, two = snapshot("light.a", "light.b", "switch.c"), snapshot("switch.c", "light.b", "light.a")
    assert typed_home(one) == typed_home(two)
    changed = set(typed_home(snapshot("light.a", "light.b", "switch.c", "light.bb")).splitlines()) ^ set(
        typed_home(one).splitlines()
    )
    assert changed == {"    bb: Final = 'light.bb'"}


def test_file_is_only_replaced_by_a_whole_and_different_one(tmp_path: Path) -> None:
    file = tmp_path / "apps" / "home.py"
    assert write_typed_home(snapshot("light.a"), file)
    assert not write_typed_home(snapshot("light.a"), file)
    before = file.read_text(encoding="utf-8")
    assert write_typed_home(snapshot("light.b"), file)
    assert file.read_text(encoding="utf-8") != before
    assert [each.name for each in file.parent.iterdir()] == ["home.py"]


def test_file_of_the_owner_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "home.py"
    file.write_text("class Home: ...\n", encoding="utf-8")
    with pytest.raises(FileExistsError, match="hassette generate has not written it"):
        write_typed_home(snapshot("light.a"), file)
    assert file.read_text(encoding="utf-8") == "class Home: ...\n"


def test_empty_home_is_a_valid_module(tmp_path: Path) -> None:
    module = load(HomeSnapshot("http://home", "1", {}, {}), tmp_path)
    assert not hasattr(module, "light")


async def test_commands_write_the_names_of_a_simulated_home(tmp_path: Path) -> None:
    async with SimulatedHome(speed=0) as home:
        config = HassetteConfig(home_assistant={"url": home.url, "token": home.token})  # pyright: ignore[reportArgumentType]  a table
        read = await read_home(config, 10)
        module = load(read, tmp_path)
        assert module.light.hall == "light.hall"
        assert {"turn_on", "turn_off"} <= set(dir(module.services.light))


@pytest.mark.parametrize("command", [generate, check])
def test_commands_explain_themselves(command: Any) -> None:
    assert "home.py" in CliRunner().invoke(command, ["--help"]).output


async def test_check_writes_the_names_before_it_loads_the_apps_that_import_them(tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "hall.py").write_text(
        "from hassette_core import App, AppConfig\nfrom home import light\n"
        "class Hall(App[AppConfig]):\n    ENTITY = light.hall\n"
    )
    file = tmp_path / "hassette.toml"
    async with SimulatedHome(speed=0) as home:
        file.write_text(
            f'[home_assistant]\nurl = "{home.url}"\ntoken = "{home.token}"\n'
            '[apps.hall]\nmodule = "hall"\nclass = "Hall"\n'
        )
        arguments = ["--config", str(file), "--online", "--write"]
        result = await asyncio.to_thread(CliRunner().invoke, check, arguments, standalone_mode=False)
    assert (result.return_value, "failed" in result.output) == (0, False), result.output


def test_check_writes_only_with_online(tmp_path: Path) -> None:
    file = tmp_path / "hassette.toml"
    file.write_text("", encoding="utf-8")
    result = CliRunner().invoke(check, ["--config", str(file), "--write"])
    assert result.exit_code == 2
    assert "--write needs --online" in result.output


@pytest.mark.parametrize(
    ("off", "on"),
    [
        ({"brightness": None, "color_mode": None}, {"brightness": 120, "color_mode": "rgb", "rgb_color": [1, 2, 3]}),
        ({"restored": True}, {"effect": "rainbow", "effect_list": ["rainbow"], "hs_color": [0.5, 100]}),
    ],
)
def test_text_does_not_depend_on_whether_the_lamps_are_on(off: dict[str, Any], on: dict[str, Any]) -> None:
    homes = [HomeSnapshot("", "1", {"light.a": {"attributes": each}}, {}) for each in (off, on)]
    assert len({typed_home(home) for home in homes}) == 1
    assert "    'brightness': 'float | None'," in typed_home(homes[0])


def test_attribute_without_a_value_may_have_any_value() -> None:
    assert "    'off': 'Any'," in typed_home(snapshot("light.hall"))


def test_names_that_would_be_the_same_stay_different(tmp_path: Path) -> None:
    fields = {"fields": {"level": {"required": True, "selector": {"number": {}}}}}
    services: dict[str, dict[str, Any]] = {
        "script": {"night_1": {}, "night1": fields, "night__1": {}},
        "a_b": {"c": fields},
        "a": {"b_c": {}},
        "light": {"x": {}},
    }
    ids = ("light_attributes.x", "light.y", "list.z", "str.z", "state.z", "any.z")
    states: dict[str, dict[str, Any]] = {entity_id: {"attributes": {}} for entity_id in ids}
    home = HomeSnapshot("", "1", states, services)
    module = load(home, tmp_path)
    text = typed_home(home)
    names = re.findall(r"^(?:class |def )?(\w+)(?:\(|:| = TypedDict)", text, re.MULTILINE)
    assert len(names) == len(set(names)), names
    assert "class ScriptNight_1Fields(CallOptions, total=False):" in text
    assert "class ScriptNight1Fields(CallOptions, total=False):" in text
    assert (module.light_attributes_.x, module.light.y, module.list_.z, module.str_.z) == (
        *("light_attributes.x", "light.y", "list.z", "str.z"),
    )


@pytest.mark.parametrize("name", ["list", "str", "self", "api", "Literal", "Required", "Any"])
def test_field_may_have_the_name_of_a_type_or_parameter(tmp_path: Path, name: str) -> None:
    fields: dict[str, Any] = {
        name: {"required": True, "selector": {"text": {"multiple": True}}},
        "zone": FIELDS["mode"],
    }
    home = snapshot("light.hall", call={"fields": fields})
    module = load(home, tmp_path)
    assert get_type_hints(module.OddCallFields)[name] == list[str]
    assert module.OddCallFields.__required_keys__ == {name}
    sent: dict[str, Any] = {}

    class Recorder:
        async def call_service(self, domain: str, service: str, /, **fields: Any) -> None:
            sent.update(fields)

    asyncio.run(module.services.odd.call(Recorder(), **{name: ["x"]}))
    assert sent == {name: ["x"]}


_ODD = ["none", "None", "1st", "class", "a_1", "a1", "self", "\ufb01", "x\u00b2", 'a"""', "\\"]
_NAMES = st.text(max_size=6) | st.sampled_from(_ODD)
_SIMPLE = st.none() | st.booleans() | st.floats() | st.text(max_size=3)
_VALUES = st.recursive(_SIMPLE, lambda each: st.lists(each, max_size=2))
_SELECT = st.fixed_dictionaries({"options": st.lists(st.text(max_size=3), max_size=3), "multiple": st.booleans()})
_TEXT = st.fixed_dictionaries({"multiple": st.booleans()}) | st.none()
_SELECTOR = st.fixed_dictionaries({}, optional={"select": _SELECT, "text": _TEXT})
_FIELDS = st.dictionaries(_NAMES, st.fixed_dictionaries({"selector": _SELECTOR, "required": st.booleans()}), max_size=3)
_SERVICE = st.fixed_dictionaries({"fields": _FIELDS})
_SERVICES = st.dictionaries(_NAMES, st.dictionaries(_NAMES, _SERVICE, max_size=3), max_size=3)
_ATTRIBUTES = st.fixed_dictionaries({"attributes": st.dictionaries(st.text(max_size=4), _VALUES, max_size=3)})
_STATES = st.dictionaries(st.tuples(_NAMES, _NAMES).map(".".join), _ATTRIBUTES, max_size=5)


@given(states=_STATES, services=_SERVICES, areas=st.dictionaries(_NAMES, st.text(max_size=3), max_size=3))
def test_module_of_every_home_has_all_its_names(
    states: dict[str, Any], services: dict[str, Any], areas: dict[str, str]
) -> None:
    text = typed_home(HomeSnapshot("", "1", states, services, areas))
    module = ModuleType("home")
    exec(compile(text.encode(), "home.py", "exec"), vars(module))
    variables: list[object] = [each for name, each in vars(module).items() if name != "areas"]
    values: list[object] = [value for each in variables for value in vars(type(each)).values()]
    assert set(states) <= {value for value in values if isinstance(value, str)}
    assert set(areas) <= {value for value in vars(type(module.areas)).values() if isinstance(value, str)}
    members = [each for name, each in vars(type(module.services)).items() if not name.startswith("__")]
    methods = [name for each in members for name in vars(type(each)) if not name.startswith("__")]
    assert len(methods) == sum(map(len, services.values()))
    names = re.findall(r"^(?:class |def )?(\w+)(?:\(|:| = TypedDict)", text, re.MULTILINE)
    assert len(names) == len(set(names))
