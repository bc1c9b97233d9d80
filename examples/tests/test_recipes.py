"""The file ``recipes.toml`` has the right settings for each recipe, and a recipe starts without its devices."""

import re
import tomllib
from pathlib import Path

from hassette_core.testing import HomeUnderTest

RECIPES = Path(__file__).parents[1] / "recipes.toml"


def test_all_recipes_start_with_the_settings_of_the_file_while_all_devices_are_unavailable(home: HomeUnderTest) -> None:
    text = RECIPES.read_text()
    for entity in sorted(set(re.findall(r'"([a-z_]+\.[a-z0-9_]+)"', text))):
        home.add_entity(entity, "unavailable")
    home.add_apps(RECIPES)
    for key, table in tomllib.loads(text)["apps"].items():
        for instance in table.get("instances", [{"name": key}]):
            assert home.app(key, instance["name"]).app_key == key
