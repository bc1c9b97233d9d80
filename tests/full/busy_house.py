"""A framework under load whose app keeps a journal of its own: the witness of the SIGKILL test.

    python busy_house.py DATA_DIR

The app stands in DATA_DIR's neighbour ``apps``; nothing between its handler and the journal is ours.
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
