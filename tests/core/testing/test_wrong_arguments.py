"""Arguments that would be accepted and then do something else."""

from pathlib import Path

import pytest

from hassette_core import App, AppConfig, Condition, ConditionView, RegistrationError, above
from hassette_core.testing import HomeTestError, HomeUnderTest


class Jobs(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.scheduler.run_every(self.tick, 60)

    async def tick(self) -> None: ...


@pytest.mark.parametrize("name", [None, "", " ", 5, []])
def test_group_without_a_name_is_an_error_and_leaves_all_jobs(home: HomeUnderTest, name: object) -> None:
    home.add_app(Jobs)
    scheduler = home.app(Jobs).scheduler
    with pytest.raises(RegistrationError, match="name must be a non-blank string"):
        scheduler.group(name)  # type: ignore[arg-type]  the wrong type is the subject
    assert len(scheduler.jobs()) == 1


def test_error_of_a_job_with_a_taken_name_suggests_to_replace_it(home: HomeUnderTest) -> None:
    home.add_app(Jobs)
    app = home.app(Jobs)
    with pytest.raises(RegistrationError, match="cancel that job first, pass replace=True, or choose another name"):
        home.run(lambda: app.scheduler.run_in(app.tick, 60))


@pytest.mark.parametrize("limit", ["21.5", "7", "1e3"])
def test_limit_that_is_a_number_in_quotes_is_an_error(limit: str) -> None:
    with pytest.raises(RegistrationError, match=f"write {limit} without quotes"):
        above("sensor.power", limit)


def test_rehearse_in_the_settings_of_an_app_is_an_error(home: HomeUnderTest, tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "lamp.py").write_text(
        "from hassette_core import App, AppConfig\nclass Lamp(App[AppConfig]): ...\n", encoding="utf-8"
    )
    (tmp_path / "hassette.toml").write_text(
        '[apps.lamp]\nmodule = "lamp"\nclass = "Lamp"\n[apps.lamp.config]\nrehearse = true\n', encoding="utf-8"
    )
    with pytest.raises(HomeTestError, match=r"rehearse must be in \[apps.lamp\]"):
        home.add_apps(tmp_path / "hassette.toml", "lamp")


def test_wait_for_a_class_in_place_of_a_condition_is_an_error(home: HomeUnderTest) -> None:
    class Quiet(Condition):
        def holds(self, view: ConditionView) -> bool:
            return True

        def describe(self) -> str:
            return "it is quiet"

    home.add_app(Jobs)
    app = home.app(Jobs)
    with pytest.raises(RegistrationError, match=r"got the class Quiet; write Quiet\(…\)"):
        home.run(app.bus.wait_for(Quiet))  # type: ignore[arg-type]  the wrong type is the subject
