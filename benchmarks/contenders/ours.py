"""Our framework with one app, which has one listener for each entity, in a process like that of ``hassette run``.

The arguments are options, in any order.

``core`` leaves out the history and the pages. By default, both are active. CONTENDER_WEB_PORT is the port of the pages.
"""

import os
import sys
import tempfile
from pathlib import Path

from hassette_core import Hassette, HassetteConfig
from hassette_core.cli.process import run_to_the_end

APP = """
import os

from hassette_core import App, AppConfig, StateChanged
from meter import Meter

meter = Meter()

class Bench(App[AppConfig]):
    async def on_initialize(self) -> None:
        for number in range(int(os.environ["CONTENDER_LISTENERS"])):
            self.bus.on_state_change(self.changed, f"sensor.matching_{number}", name=f"on_{number}")
        meter.report()

    async def changed(self, event: StateChanged) -> None:
        meter.handle(event.new_state.state)
"""


async def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = int(os.environ.get("CONTENDER_WEB_PORT", "0"))
        (folder / "apps").mkdir()
        (folder / "apps" / "bench.py").write_text(APP)
        config = HassetteConfig.model_validate(
            {
                "file": folder / "hassette.toml",
                "home_assistant": {"url": os.environ["CONTENDER_HOME"], "token": os.environ["CONTENDER_TOKEN"]},
                "apps": {"bench": {"module": "bench", "class": "Bench"}},
                "plugins": {} if "core" in sys.argv else {"sync": {"port": port}},
            }
        )
        await Hassette(config, plugins="core" not in sys.argv).run()
    return 0


if __name__ == "__main__":
    run_to_the_end(main)
