"""hassette 0.60.0 from PyPI with one app, which has one listener for each entity. Its history and pages are active."""

import asyncio
import os
import tempfile
from pathlib import Path

from hassette import Hassette, HassetteConfig

APP = """
import os

from hassette import App, AppConfig, RawStateChangeEvent
from meter import Meter

meter = Meter()

class Bench(App[AppConfig]):
    async def on_initialize(self):
        for number in range(int(os.environ["CONTENDER_LISTENERS"])):
            entity = f"sensor.matching_{number}"
            await self.bus.on_state_change(entity, handler=self.changed, name=f"on_{number}", mode="parallel")
        meter.report()

    async def changed(self, event: RawStateChangeEvent):
        meter.handle(event.payload.data.new_state["state"])
"""

SETTINGS = """
[hassette]
base_url = "{home}"
data_dir = "{folder}/data"

[hassette.apps]
directory = "{folder}/apps"

[hassette.apps.bench]
filename = "bench.py"
class_name = "Bench"

[[hassette.apps.bench.config]]
instance_name = "one"
"""


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "apps").mkdir()
        (folder / "apps" / "bench.py").write_text(APP)
        (folder / "hassette.toml").write_text(SETTINGS.format(home=os.environ["CONTENDER_HOME"], folder=folder))
        os.environ["HASSETTE__TOKEN"] = os.environ["CONTENDER_TOKEN"]
        os.environ["HASSETTE__CONFIG_DIR"] = name
        os.chdir(folder)
        hassette = Hassette(HassetteConfig())
        hassette.wire_services()
        await hassette.run_forever()


if __name__ == "__main__":
    asyncio.run(main())
