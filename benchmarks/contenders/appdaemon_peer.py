"""AppDaemon 4.5.13 from PyPI with one app, which has one async listener for each entity."""

import os
import sys
import tempfile
from pathlib import Path

from appdaemon.__main__ import main

APP = """
import os

from appdaemon.plugins.hass import Hass
from meter import Meter

meter = Meter()

class Bench(Hass):
    async def initialize(self):
        for number in range(int(os.environ["CONTENDER_LISTENERS"])):
            await self.listen_state(self.changed, f"sensor.matching_{number}")
        meter.report()

    async def changed(self, entity, attribute, old, new, **kwargs):
        meter.handle(new)
"""

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "apps").mkdir()
    (folder / "apps" / "bench.py").write_text(APP)
    (folder / "apps" / "apps.yaml").write_text("bench:\n  module: bench\n  class: Bench\n")
    (folder / "appdaemon.yaml").write_text(
        "appdaemon:\n  time_zone: Europe/Amsterdam\n  latitude: 52.37\n  longitude: 4.89\n  elevation: 2\n  plugins:\n"
        f"    HASS:\n      type: hass\n      ha_url: {os.environ['CONTENDER_HOME']}\n"
        f"      token: {os.environ['CONTENDER_TOKEN']}\n"
    )
    sys.argv = ["appdaemon", "-c", name]
    main()
