"""The names of the home are recorded once, and again when they differ."""

from pathlib import Path

from hassette_executor import HomeName
from support.waiting import eventually
from support.whole_home import WholeHome, whole_home

QUICK = {"flush_interval_s": 0.01}
APPS = "class App1(App[AppConfig]):\n    pass\n"


def names(whole: WholeHome) -> list[HomeName]:
    return [name for batch in whole.sink.batches for name in batch.home_names]


async def find(whole: WholeHome, kind: str, name: str) -> HomeName:
    """Wait for a name, and return it."""
    (one,) = await eventually(lambda: [one for one in names(whole) if (one.kind, one.name) == (kind, name)])
    return one


async def test_names_of_users_areas_devices_and_entities_are_recorded_and_only_changes_again(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APPS, executor=QUICK) as whole:
        (user, *_) = await eventually(lambda: [one for one in names(whole) if one.kind == "user"])
        assert user.key == whole.home.core.user_id
        known = names(whole)
        entities = {one.key for one in known if one.kind == "entity"}
        assert entities
        assert len(known) == len({(one.kind, one.key) for one in known})
        entity_id = min(entities)
        whole.home.core.change(entity_id, friendly_name="Something else")
        ada = whole.home.add_user("Ada")
        assert (await find(whole, "user", "Ada")).key == ada.id
        assert (await find(whole, "entity", "Something else")).key == entity_id
        assert len(names(whole)) == len(known) + 2


async def test_setting_switches_names_off(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APPS, executor=QUICK, recording={"names": False}) as whole:
        await whole.hassette.home.wait_known()
        assert names(whole) == []


async def test_followed_entities_are_recorded_and_the_members_of_groups_are_not(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APPS, executor=QUICK) as whole:
        home = whole.home
        home.core.set("sensor.by_registry", "1", {"friendly_name": "By registry"})
        home.registries.register_entity("sensor.by_registry", platform="derivative")
        home.core.set("binary_sensor.high", "off", {"entity_id": "sensor.level", "friendly_name": "High"})
        home.core.set("sensor.energy", "1", {"source": "sensor.power", "friendly_name": "Energy"})
        home.core.set("binary_sensor.any", "off", {"entity_id": ["light.a"], "friendly_name": "Any"})
        home.core.set("light.group", "off", {"entity_id": "light.a", "friendly_name": "Group"})
        home.core.set("sensor.radio", "1", {"source": "FM", "friendly_name": "Radio"})
        await find(whole, "entity", "Radio")
        followers = {one.key: one.name for one in names(whole) if one.kind == "follower"}
        assert followers == {
            "sensor.by_registry": "derivative",
            "binary_sensor.high": "sensor.level",
            "sensor.energy": "sensor.power",
        }
