"""Services that send a message: notifications, speech, MQTT, and the logbook."""

from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.model.message_topics import MqttMessage
from hassette_core.simulation.home.services.fields import (
    ANY,
    BOOLEAN,
    ENTITIES,
    TEXT,
    TEXTS,
    integer,
)
from hassette_core.simulation.home.services.registry import EntityCall, SimulatedService
from hassette_core.simulation.home.services.switches import unchanged


def _send_message(call: EntityCall) -> None:
    call.change(call.core.now())  # the state of a notify entity is the time of its last message


def _notify_all(call: EntityCall) -> None:
    _create(call._replace(data={"message": call.data["message"], "title": call.data.get("title")}))


def _create(call: EntityCall) -> None:
    id_ = call.data.get("notification_id") or call.core.new_id()
    call.model.notifications[id_] = {
        "notification_id": id_,
        "message": call.data["message"],
        "title": call.data.get("title"),
        "created_at": call.core.now(),
    }


def _dismiss(call: EntityCall) -> None:
    call.model.notifications.pop(call.data["notification_id"], None)


def _dismiss_all(call: EntityCall) -> None:
    call.model.notifications.clear()


_TEXTS = {"message": TEXT.as_required, "title": TEXT}
_NOTIFY = {**_TEXTS, "target": TEXTS, "data": ANY.replace(selector="object")}
NOTIFY_TARGET = SimulatedService(unchanged, _NOTIFY, targeted=False)
"""The service of one target of notifications, such as ``notify.mobile_app_phone``."""
NOTIFY = {
    "notify": NOTIFY_TARGET,
    "persistent_notification": SimulatedService(
        _notify_all, {**_TEXTS, "data": ANY.replace(selector="object")}, targeted=False
    ),
    "send_message": SimulatedService(_send_message, _TEXTS),
}
PERSISTENT_NOTIFICATION = {
    "create": SimulatedService(_create, {**_TEXTS, "notification_id": TEXT}, targeted=False),
    "dismiss": SimulatedService(_dismiss, {"notification_id": TEXT.as_required}, targeted=False),
    "dismiss_all": SimulatedService(_dismiss_all, targeted=False),
}


def _speak(call: EntityCall) -> None:
    for player in call.data["media_player_entity_id"]:
        data: Json = {
            "entity_id": [player],
            "media_content_id": f"media-source://tts/{call.entity_id}?message={call.data['message']}",
            "media_content_type": "music",
            "announce": True,
        }
        call.services.call("media_player", "play_media", data, call.context)
    call.change(call.core.now())


TTS = {
    "speak": SimulatedService(
        _speak,
        {
            "media_player_entity_id": ENTITIES.as_required,
            "message": TEXT.as_required,
            "cache": BOOLEAN,
            "language": TEXT,
            "options": ANY.replace(selector="object"),
        },
    ),
    "clear_cache": SimulatedService(unchanged, targeted=False),
}


def _publish(call: EntityCall) -> None:
    data = call.data
    payload = "" if data.get("payload") is None else str(data["payload"])
    call.model.topics.publish(MqttMessage(data["topic"], payload, data.get("qos", 0), data.get("retain", False)))


MQTT = {
    "publish": SimulatedService(
        _publish,
        {
            "topic": TEXT.as_required,
            "payload": ANY.replace(selector="template"),
            "evaluate_payload": BOOLEAN,
            "qos": integer(0, 2).replace(selector="select"),
            "retain": BOOLEAN,
        },
        targeted=False,
    )
}


def _log(call: EntityCall) -> None:
    data = {key: call.data[key] for key in ("name", "message", "domain") if key in call.data}
    if "entity_id" in call.data:
        data["entity_id"] = call.data["entity_id"][0]
        data.setdefault("domain", data["entity_id"].partition(".")[0])
    call.core.fire("logbook_entry", data, call.context)


LOGBOOK = {
    "log": SimulatedService(
        _log,
        {"name": TEXT.as_required, "message": TEXT.as_required, "entity_id": ENTITIES, "domain": TEXT},
        targeted=False,
    )
}
SYSTEM_LOG = {
    "write": SimulatedService(
        unchanged,
        {"message": TEXT.as_required, "level": TEXT.replace(selector="select"), "logger": TEXT},
        targeted=False,
    ),
    "clear": SimulatedService(unchanged, targeted=False),
}
