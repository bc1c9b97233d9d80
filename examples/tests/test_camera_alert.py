import json

import pytest
from camera_alert import CameraAlert

from hassette_core.testing import HomeUnderTest

PHONE = "notify.mobile_app_alex"


@pytest.fixture
def cameras(home: HomeUnderTest) -> HomeUnderTest:
    home.add_service(PHONE)
    home.add_app(CameraAlert, cameras=["porch", "garden"], phone="mobile_app_alex")
    return home


def see(home: HomeUnderTest, **changed: object) -> None:
    seen = {"id": "17.5-a", "camera": "porch", "label": "person", "top_score": 0.9, **changed}
    home.fire_trigger("mqtt", topic="frigate/events", payload=json.dumps({"type": "update", "after": seen}))


def test_a_person_leads_to_a_message_with_the_picture_of_this_event(cameras: HomeUnderTest) -> None:
    see(cameras)

    (call,) = cameras.calls(PHONE)
    assert call.data["message"] == "Person at porch"
    assert call.data["data"]["image"] == "/api/frigate/notifications/17.5-a/snapshot.jpg"


def test_a_camera_sends_one_picture_in_five_minutes(cameras: HomeUnderTest) -> None:
    for _ in range(9):
        see(cameras)
        cameras.advance(minutes=1)

    assert len(cameras.calls(PHONE)) == 2
    assert cameras.not_runs("send_picture:porch")[0].reason == "rate_limited"


def test_cameras_do_not_share_their_pause(cameras: HomeUnderTest) -> None:
    see(cameras, camera="porch")
    see(cameras, camera="garden")

    assert [call.data["message"] for call in cameras.calls(PHONE)] == ["Person at porch", "Person at garden"]


@pytest.mark.parametrize("changed", [{"label": "cat"}, {"top_score": 0.5}, {"top_score": None}, {"camera": "street"}])
def test_what_is_not_looked_for_leads_to_no_message_and_starts_no_pause(
    cameras: HomeUnderTest, changed: dict[str, object]
) -> None:
    see(cameras, **changed)
    cameras.assert_not_called()

    see(cameras)
    cameras.assert_called(PHONE, times=1)


@pytest.mark.parametrize("payload", ["offline", "[]", "{}", '{"after": {"camera": "porch", "label": "person"}}'])
def test_a_message_without_a_score_leads_to_no_message(cameras: HomeUnderTest, payload: str) -> None:
    cameras.fire_trigger("mqtt", topic="frigate/events", payload=payload)

    cameras.assert_not_called()


def test_other_labels_can_be_looked_for(home: HomeUnderTest) -> None:
    home.add_service(PHONE)
    home.add_app(CameraAlert, cameras=["porch"], phone="mobile_app_alex", labels=["cat", "dog"])
    see(home, label="cat")

    home.assert_called(PHONE, message="Cat at porch")


def test_a_picture_is_sent_after_an_interruption_of_the_connection(cameras: HomeUnderTest) -> None:
    cameras.interrupt(seconds=20)
    cameras.advance(minutes=1)
    see(cameras)

    cameras.assert_called(PHONE, times=1)
