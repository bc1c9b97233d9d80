"""The file ``recipes.toml`` has the right settings for each recipe."""

import tomllib
from pathlib import Path

from hassette_core.testing import HomeUnderTest

RECIPES = Path(__file__).parents[1] / "recipes.toml"


def test_all_recipes_start_with_the_settings_of_the_file(home: HomeUnderTest) -> None:
    home.add_apps(RECIPES)
    for key in tomllib.loads(RECIPES.read_text())["apps"]:
        assert home.app(key).app_key == key
