"""Areas, floors, devices, labels and users: names, the entities that belong to them, and when they are read again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hassette_core.errors import HomeUnknownError, UnknownNameError
from hassette_core.home import HomeData, HomeRegistry, HomeService
from hassette_executor import CommandExecutor
from support.records import invoke
from support.scripted_home import RefusedCommandError, ScriptedApi, ScriptedHome, scripted
from support.waiting import eventually

STATES = {"light.kitchen": "off", "light.lamp": "on", "binary_sensor.move": "off", "sensor.power": "3"}


def entity(entity_id: str, **more: Any) -> dict[str, Any]:
    return {"entity_id": entity_id, "platform": "demo", "labels": [], "original_name": entity_id, **more}


def registries() -> dict[str, list[dict[str, Any]]]:
    """Return the answers of a small home, by registry."""
    return {
        "area": [
            {"area_id": "kitchen", "name": "Küche", "aliases": ["Cooking"], "floor_id": "ground", "labels": ["warm"]},
            {"area_id": "bath", "name": "浴室", "aliases": [], "floor_id": "ground", "labels": []},
            {"area_id": "attic", "name": "Attic", "aliases": [], "floor_id": None, "labels": []},
            {"name": "an area without an id"},
        ],
        "floor": [{"floor_id": "ground", "name": "Ground floor", "aliases": [], "level": 0}],
        "label": [{"label_id": "warm", "name": "Warm"}, {"label_id": "night", "name": "Night"}],
        "device": [
            {"id": "d1", "name": "Lamp", "name_by_user": "My lamp", "area_id": "kitchen", "labels": ["night"]},
            {"id": "d2", "name": "Plug", "area_id": "bath", "labels": []},
            {"id": "d2part", "name": "Plug", "area_id": None, "parent_device_id": "d2", "labels": []},
            {"id": "d3", "name": "Hub", "area_id": None, "labels": [], "composite_device_id": "old"},
        ],
        "entity": [
            entity("light.kitchen", area_id="kitchen"),
            entity("light.lamp", device_id="d1"),
            entity("light.moved", device_id="d1", area_id="attic"),
            entity("sensor.power", device_id="d2part"),
            entity("sensor.battery", device_id="d1", entity_category="diagnostic"),
            entity("light.hidden", area_id="kitchen", hidden_by="user"),
            entity("light.disabled", area_id="kitchen", disabled_by="user"),
            entity("switch.labelled", labels=["night"]),
            entity("number.labelled", labels=["night"], entity_category="config"),
            entity("binary_sensor.move", area_id="bath"),
            entity("sensor.hub", device_id="d3"),
        ],
    }


class Place:
    """A scripted home with registries, and the service that reads them."""

    def __init__(self, api: ScriptedApi) -> None:
        self.api = api
        self.script = api.home
        self.registries = registries()
        for kind in self.registries:
            self.script.answers[f"config/{kind}_registry/list"] = lambda message, kind=kind: self.registries[kind]
        self.script.answers["config/auth/list"] = lambda message: [
            {"id": "u1", "name": "Ann", "is_owner": True, "is_active": True, "system_generated": False}
        ]
        self.data = HomeData(api.link.cache.by_entity)
        self.home = HomeRegistry(self.data)
        self.service = HomeService(api.link, self.data, api.clock)

    def changed(self, kind: str) -> None:
        """Send the event that a registry has changed."""
        event_type = f"{kind}_registry_updated"
        sent = [each for each in self.script.sent("subscribe_events") if each.get("event_type") == event_type]
        self.script.send_event(sent[-1]["id"], {"event_type": event_type, "data": {"action": "update"}})

    async def read(self, times: int) -> None:
        """Wait until the registries have been read so many times."""
        await eventually(lambda: self.service.reads >= times)
        await self.api.settle()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """A home whose registries have been read."""
    async with scripted(ScriptedHome(STATES)) as api:
        place = Place(api)
        api.home.change("binary_sensor.move", "on", device_class="motion")
        async with place.service:
            await place.read(1)
            yield place


@pytest.mark.parametrize(
    ("kind", "names", "entities"),
    [
        ("area", ["kitchen", "Küche", "KÜCHE", "Ku\u0308che", " küche ", "cooking"], ["light.kitchen", "light.lamp"]),
        ("area", ["bath", "浴室"], ["binary_sensor.move", "sensor.power"]),
        ("area", ["attic"], ["light.moved"]),
        ("floor", ["ground", "ground FLOOR"], ["binary_sensor.move", "light.kitchen", "light.lamp", "sensor.power"]),
        ("label", ["night", "Night"], ["light.lamp", "light.moved", "switch.labelled"]),
        ("label", ["warm"], ["light.kitchen", "light.lamp"]),
        ("device", ["d1", "My lamp", "my  lamp"], ["light.lamp", "light.moved"]),
        ("device", ["d2"], ["sensor.power"]),
        ("device", ["old", "Hub"], ["sensor.hub"]),
    ],
)
async def test_entities_are_found_by_the_rules_of_targets(
    place: Place, kind: str, names: list[str], entities: list[str]
) -> None:
    for name in names:
        selection = getattr(place.home, kind)(name)
        assert selection.entities == entities, name
        assert [each for each in ("light.hidden", "sensor.battery", *entities) if selection.matches(each)] == entities


async def test_selection_is_narrowed_by_domain_and_device_class(place: Place) -> None:
    ground = place.home.floor("ground")
    assert ground.lights.entities == ["light.kitchen", "light.lamp"]
    assert ground.sensors.entities == ["sensor.power"]
    assert ground.device_class("motion").entities == ["binary_sensor.move"]
    assert ground.domain("sensor", "binary_sensor").entities == ["binary_sensor.move", "sensor.power"]
    assert ground.lights.describe() == "light of the floor ground"
    assert place.home.area("bath").device_class("motion").describe() == "motion of the area bath"
    assert (ground.switches.entities, ground.covers.entities, ground.media_players.entities) == ([], [], [])
    place.script.change("binary_sensor.move", "on", device_class="occupancy")
    await place.api.settle()
    assert not ground.binary_sensors.device_class("motion").matches("binary_sensor.move")


async def test_device_classes_of_a_selection_are_no_reads_of_the_run(place: Place) -> None:
    async def select() -> None:
        assert place.home.area("bath").device_class("motion").entities == ["binary_sensor.move"]

    async with CommandExecutor() as executor:
        assert (await executor.execute(invoke(select))).effects is None


async def test_entity_has_area_floor_device_and_labels(place: Place) -> None:
    home = place.home
    assert [area and area.id for area in map(home.area_of, ("light.lamp", "light.moved", "sensor.power", "a.b"))] == [
        *("kitchen", "attic", "bath", None)
    ]
    floor, device = home.floor_of("sensor.power"), home.device_of("light.lamp")
    assert floor is not None
    assert floor.name == "Ground floor"
    assert device is not None
    assert (device.name, home.device_of("a.b")) == ("My lamp", None)
    assert [label.id for label in home.labels_of("light.lamp")] == ["warm", "night"]
    assert home.entity("sensor.battery").category == "diagnostic"
    assert (home.entity("a.b").entity_id, home.labels_of("a.b")) == ("a.b", ())
    assert [area.id for area in home.areas] == ["kitchen", "bath", "attic"]
    assert (len(home.floors), len(home.labels), len(home.devices)) == (1, 2, 4)


async def test_user_has_a_name_and_an_unknown_one_has_none(place: Place) -> None:
    assert (place.home.user("u1").name, place.home.user("u2").name, place.home.user(None).name) == ("Ann", "", "")
    assert [user.id for user in place.home.users] == ["u1"]


async def test_users_are_the_persons_if_the_token_may_not_list_users(place: Place) -> None:
    def refuse(message: dict[str, Any]) -> Any:
        raise RefusedCommandError("unauthorized", "Unauthorized")

    place.script.answers["config/auth/list"] = refuse
    persons = {"storage": [{"name": "Bob", "user_id": "u2"}, {"name": "Child", "user_id": None}], "config": []}
    place.script.answers["person/list"] = lambda message: persons
    place.changed("area")
    await place.api.settle()
    await place.api.pass_time(0.5)
    await place.read(2)
    assert place.home.user("u2").name == "Bob"


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("area", "kuche", "the home has no area 'kuche'; did you mean 'Küche'"),
        ("area", "garage", "the home has no area 'garage'; it has: Attic, Küche, 浴室"),
        ("label", "nigth", "did you mean 'Night'"),
        ("device", "Plug", "the name of a device must be unique, got 'Plug'; write one of its ids: d2, d2part"),
        ("floor", "", "the name of a floor must be a text, such as 'kitchen', got ''"),
        ("area", None, "the name of a area must be a text"),
    ],
)
async def test_unknown_name_is_refused_with_similar_names(place: Place, kind: str, name: Any, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        getattr(place.home, kind)(name)


async def test_selection_follows_the_registries_after_a_debounce(place: Place) -> None:
    lights = place.home.area("Küche").lights
    place.registries["area"][0]["name"] = "Renamed"
    place.registries["entity"][2]["area_id"] = "kitchen"
    for kind in ("area", "entity", "device"):
        place.changed(kind)
    await place.api.pass_time(0.4)
    assert (place.service.reads, lights.matches("light.moved")) == (1, False)
    await place.api.pass_time(0.2)
    await place.read(2)
    # The area has another name, but it is the same area.
    assert lights.entities == ["light.kitchen", "light.lamp", "light.moved"]
    assert lights.matches("light.moved")
    await place.api.pass_time(5)
    assert place.service.reads == 2


async def test_registries_are_read_again_after_a_reconnect_and_remain_meanwhile(place: Place) -> None:
    lights = place.home.area("attic").lights
    place.registries["entity"][2]["area_id"] = None
    place.script.cut()
    assert lights.entities == ["light.moved"]
    await place.read(2)
    assert lights.entities == []


async def test_last_known_registries_remain_if_they_cannot_be_read(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.script.answers["config/area_registry/list"] = lambda message: None
    place.changed("area")
    await place.api.settle()
    await place.api.pass_time(0.5)
    await eventually(lambda: "could not be read" in caplog.text)
    assert place.home.area("attic").entities == ["light.moved"]
    place.script.answers["config/area_registry/list"] = lambda message: []
    await place.api.pass_time(30)
    await place.api.pass_time(1)
    await place.read(2)
    assert place.home.areas == ()


async def test_home_assistants_own_rules_win_where_it_has_them(place: Place) -> None:
    found = {"kitchen": ["light.kitchen", "light.special"]}
    place.script.answers["extract_from_target"] = lambda message: {
        "referenced_entities": found.get(message["target"]["area_id"][0], [])
    }
    place.script.cut()  # the next connection has the command
    await place.read(2)
    kitchen = place.home.area("kitchen")
    await eventually(lambda: kitchen.entities == ["light.kitchen", "light.special"])
    found["kitchen"] = ["light.kitchen"]
    place.changed("entity")
    await place.api.settle()
    await place.api.pass_time(0.5)
    await place.read(3)
    await eventually(lambda: kitchen.entities == ["light.kitchen"])


async def test_home_is_unknown_before_it_is_read_and_a_selection_becomes_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scripted(ScriptedHome(STATES)) as api:
        place = Place(api)
        kitchen, missing = place.home.area("Küche"), place.home.area("nowhere")
        assert not place.home.known
        assert not kitchen.matches("light.kitchen")
        for question in (
            lambda: kitchen.entities,
            lambda: place.home.areas,
            lambda: place.home.area_of("a.b"),
            lambda: place.home.user("u1"),
        ):
            with pytest.raises(HomeUnknownError, match="are not known yet"):
                question()
        waiting = asyncio.create_task(place.home.wait_known())
        async with place.service:
            await waiting
            assert kitchen.matches("light.kitchen")
            assert missing.entities == []
        assert "does not have a part of the home that an app uses" in caplog.text


async def test_selection_is_narrowed_and_never_replaced() -> None:
    async with scripted(ScriptedHome(STATES)) as api:
        a_list: Any = ["light"]
        area = HomeRegistry(HomeData(api.states)).area("kitchen")
        assert area.domain("light", "switch").lights.describe() == "light of the area kitchen"
        assert area.lights.device_class("a").device_class("b", "a").describe() == "light a of the area kitchen"
        for narrow, message in [
            (
                lambda: area.lights.switches,
                "domain must be one of 'light', which the selection has, got 'switch'; write",
            ),
            (lambda: area.lights.domain("fan"), r"write domain\('light', 'fan'\) for all of them"),
            (lambda: area.device_class("door").device_class("motion"), "device_class must be one of 'door'"),
            (
                lambda: area.domain("Light"),
                "domain must be a name in lower case, such as 'light', got 'Light'; write",
            ),
            (lambda: area.domain("light.hall"), "got 'light.hall'; write 'light'"),
            (lambda: area.device_class("Garage Door"), "got 'Garage Door'; write 'garage_door'"),
            (lambda: area.domain(), r"domain must have at least one name, such as domain\('light'\), got none"),
            (lambda: area.domain(a_list), r"domain must be a name in lower case, such as 'light', got \['light'\]"),
            (lambda: area.domain(""), "domain must be a name in lower case, such as 'light', got ''$"),
        ]:
            with pytest.raises(ValueError, match=message):
                narrow()  # type: ignore[no-untyped-call]
        with pytest.raises(HomeUnknownError):
            await api.api.turn_on(area.lights)
