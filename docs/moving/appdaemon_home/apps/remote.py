import json

import hassapi as hass


class Remote(hass.Hass):
    """Call a service for each action of a remote control of Zigbee2MQTT."""

    def initialize(self):
        self.listen_event(self.pressed, "MQTT_MESSAGE", topic=self.args["topic"], namespace="mqtt")

    def pressed(self, event_name, data, **kwargs):
        action = json.loads(data["payload"]).get("action")
        command = self.args["actions"].get(action)
        if command is not None:
            self.call_service(command["service"], entity_id=command["target"], **command.get("data", {}))
