"""The file ``recipes.toml`` has the right settings for each recipe."""

import re
import tomllib
from pathlib import Path

from hassette_core.testing import HomeUnderTest

RECIPES = Path(__file__).parents[1] / "recipes.toml"


def test_all_recipes_start_with_the_settings_of_the_file(home: HomeUnderTest) -> None:
    text = RECIPES.read_text()
    for entity in sorted(set(re.findall(r'"([a-z_]+\.[a-z0-9_]+)"', text))):
        home.add_entity(entity, "07:00:00" if entity.startswith("input_datetime.") else "off")
    home.add_apps(RECIPES)
    for key in tomllib.loads(text)["apps"]:
        assert home.app(key).app_key == key
