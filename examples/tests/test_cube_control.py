import pytest
from cube_control import CubeControl

from hassette_core.testing import HomeUnderTest

CUBE, DESK, CEILING = "00:15:8d:00:01", "light.desk", "light.ceiling"
LIGHT = "{{ states('input_text.cube_light') }}"


@pytest.fixture(autouse=True)
def room(home: HomeUnderTest) -> None:
    for light in (DESK, CEILING):
        home.set(light, "on", brightness=100, supported_color_modes=["brightness"])
    home.set("input_text.cube_light", DESK)
    for name in ("work", "movie"):
        home.run(lambda name=name: home.simulated.add_scene(name, {DESK: "on"}))
    home.add_app(
        CubeControl, device=CUBE, light=LIGHT, all_lights=[DESK, CEILING], scenes=["scene.work", "scene.movie"]
    )


def move(home: HomeUnderTest, command: str, device: str = CUBE, **args: float) -> None:
    home.fire("zha_event", device_ieee=device, command=command, args=args)


def test_knock_toggles_the_light_that_the_template_names(home: HomeUnderTest) -> None:
    move(home, "knock")
    assert (home.state(DESK), home.state(CEILING)) == ("off", "on")
    home.set("input_text.cube_light", CEILING)
    move(home, "knock")
    assert (home.state(DESK), home.state(CEILING)) == ("off", "off")


def test_light_may_be_an_entity_id(home: HomeUnderTest) -> None:
    home.add_app(CubeControl, app_key="plain", device="other", light=CEILING, all_lights=[CEILING])
    move(home, "knock", device="other")
    assert home.state(CEILING) == "off"


@pytest.mark.parametrize(
    ("command", "degrees", "step"),
    [("rotate_right", 40, 20), ("rotate_left", -41.5, -21), ("rotate_right", 900, 100), ("rotate_left", -900, -100)],
)
def test_rotation_dims_the_light_by_its_angle(home: HomeUnderTest, command: str, degrees: float, step: int) -> None:
    move(home, command, relative_degrees=degrees)
    home.assert_called("light.turn_on", DESK, brightness_step_pct=step)


def test_tiny_rotation_has_no_effect(home: HomeUnderTest) -> None:
    move(home, "rotate_left", relative_degrees=-0.9)
    home.assert_not_called()


@pytest.mark.parametrize(("face", "scenes"), [(1, ["scene.work"]), (2, ["scene.movie"]), (3, []), (0, [])])
def test_flip_chooses_the_scene_of_the_upper_face(home: HomeUnderTest, face: int, scenes: list[str]) -> None:
    move(home, "flip", activated_face=face, flip_degrees=90)
    assert [call.entities for call in home.calls("scene.turn_on")] == [(scene,) for scene in scenes]


def test_shake_turns_all_lights_off(home: HomeUnderTest) -> None:
    move(home, "shake")
    assert (home.state(DESK), home.state(CEILING)) == ("off", "off")


def test_template_without_an_entity_id_fails_the_run_and_the_next_one_works(home: HomeUnderTest) -> None:
    home.expect_failures()
    home.set("input_text.cube_light", "unknown")
    move(home, "knock")
    assert home.runs("moved")[-1].failed
    home.set("input_text.cube_light", DESK)
    move(home, "knock")
    assert home.state(DESK) == "off"


@pytest.mark.parametrize(("command", "device"), [("slide", CUBE), ("drop", CUBE), ("knock", "00:15:8d:00:02")])
def test_other_moves_and_other_cubes_have_no_effect(home: HomeUnderTest, command: str, device: str) -> None:
    move(home, command, device=device)
    home.assert_not_called()
