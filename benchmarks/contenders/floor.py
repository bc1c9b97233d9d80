"""The floor: a client of aiohttp, the standard library's JSON, a dictionary of states, and one task for each event."""

import asyncio
import json
import os
from typing import Any

import aiohttp
from meter import Meter


async def main() -> None:
    meter = Meter()
    entities = [f"sensor.matching_{number}" for number in range(int(os.environ["CONTENDER_LISTENERS"]))]
    states: dict[str, Any] = {}
    tasks: set[asyncio.Task[None]] = set()

    async def handler(event: Any) -> None:
        meter.handle(event["new_state"]["state"])

    handlers = dict.fromkeys(entities, handler)
    async with aiohttp.ClientSession() as session:
        url = os.environ["CONTENDER_HOME"].replace("http", "ws", 1) + "/api/websocket"
        async with session.ws_connect(url, max_msg_size=0) as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": os.environ["CONTENDER_TOKEN"]})
            await socket.receive_json()
            await socket.send_json({"id": 1, "type": "subscribe_events"})
            await socket.receive_json()
            await socket.send_json({"id": 2, "type": "get_states"})
            states |= {state["entity_id"]: state for state in (await socket.receive_json())["result"]}
            meter.report()
            async for received in socket:
                data = json.loads(received.data)["event"]["data"]
                entity_id = data["entity_id"]
                states[entity_id] = data["new_state"]
                if (handle := handlers.get(entity_id)) is not None:
                    task = asyncio.create_task(handle(data))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                # receive() does not wait while messages are waiting, so the tasks would never start.
                if len(tasks) >= 50:
                    await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main())
