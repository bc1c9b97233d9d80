"""Run Hassette with a simulated home that sends many events: ``python busy_home.py DATA_DIR``. For `test_killed.py`.

The configuration and its apps are in the parent folder of DATA_DIR.
"""

import asyncio
import sys
from pathlib import Path

from pydantic import SecretStr

from hassette_core import Hassette, HassetteConfig, SimulatedHome, load_config


async def main(data_dir: Path) -> None:
    config: HassetteConfig = load_config(data_dir.parent / "hassette.toml")
    async with SimulatedHome(speed=0, events_per_second=200) as home:
        address = config.home_assistant.model_copy(update={"url": home.url, "token": SecretStr(home.token)})
        hassette = Hassette(config.model_copy(update={"home_assistant": address, "plugins": {"sync": {"port": 0}}}))
        async with hassette:
            await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1])))
