import pytest
from failure_watch import FailureWatch

from hassette_core import App, AppConfig
from hassette_core.testing import HomeUnderTest

PHONE = "notify.mobile_app_alex"


class Fragile(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_event(self.work, f"work_{self.app_key}")

    async def work(self) -> None:
        raise RuntimeError("the pump is stuck")


class Pump(Fragile):
    pass


class Lamp(Fragile):
    pass


@pytest.fixture
def apps(home: HomeUnderTest) -> HomeUnderTest:
    home.add_service(PHONE)
    home.add_app(FailureWatch, notify="mobile_app_alex")
    home.add_app(Pump)
    home.add_app(Lamp)
    home.expect_failures()
    return home


def titles(home: HomeUnderTest) -> list[str]:
    return [call.data["title"] for call in home.calls(PHONE)]


def test_a_message_names_the_app_the_handler_and_the_error(apps: HomeUnderTest) -> None:
    apps.fire("work_pump")

    apps.assert_called(PHONE, title="pump failed", message="work: RuntimeError: the pump is stuck.")


def test_each_app_leads_to_one_message_in_an_hour(apps: HomeUnderTest) -> None:
    for _ in range(59):
        apps.fire("work_pump")
        apps.fire("work_lamp")
        apps.advance(minutes=1)

    assert titles(apps) == ["pump failed", "lamp failed"]


def test_the_next_message_counts_the_failures_without_a_message(apps: HomeUnderTest) -> None:
    for _ in range(4):
        apps.fire("work_pump")
    apps.advance(hours=1)
    apps.fire("work_pump")

    assert [call.data["message"].partition(". ")[2] for call in apps.calls(PHONE)] == [
        "",
        "Other failures since the last message: 3",
    ]


def test_a_restart_does_not_lead_to_another_message(apps: HomeUnderTest) -> None:
    apps.fire("work_pump")
    apps.restart()
    apps.fire("work_pump")

    assert titles(apps) == ["pump failed"]


def test_a_message_that_could_not_be_sent_is_sent_with_the_next_failure(apps: HomeUnderTest) -> None:
    apps.failures.refuse(PHONE, message="the phone is not reachable", times=1)
    apps.fire("work_pump")
    apps.fire("work_pump")
    apps.fire("work_pump")

    assert titles(apps) == ["pump failed"]
    assert [call.error for call in apps.calls(outcome="refused")] == ["the phone is not reachable"]
    assert [run.failed for run in apps.runs(FailureWatch.app_failed)] == [True, False, False]


def test_a_watch_that_fails_does_not_watch_itself(apps: HomeUnderTest) -> None:
    apps.failures.refuse(PHONE, message="the phone is not reachable")
    apps.fire("work_pump")
    apps.advance(minutes=10)

    assert len(apps.runs(FailureWatch.app_failed)) == 1
