"""Keep the readings of the meter in a file, and send the consumption of each day to a web service."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from notifier import Notifier
from pydantic import SecretStr

from hassette_core import AppConfig, SyncApp


class EnergyReportConfig(AppConfig):
    """The meter, and the web service with its key."""

    meter: str
    url: str
    api_key: SecretStr


class EnergyReport(SyncApp[EnergyReportConfig]):
    """A `SyncApp`, because files and the web service block."""

    def on_initialize(self) -> None:
        self.scheduler.run_daily(self.report, "23:55")

    def report(self) -> None:
        reading = float(self.states[self.config.meter].state)
        readings = self.load()
        if readings:
            self.upload(reading - readings[-1]["reading"])
        readings.append({"date": str(self.time.today()), "reading": reading})
        self.file.write_text(json.dumps(readings), encoding="utf-8")

    @property
    def file(self) -> Path:
        return self.data_dir / "energy.json"

    def load(self) -> list[dict[str, Any]]:
        return json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else []

    def upload(self, consumption: float) -> None:
        request = urllib.request.Request(  # noqa: S310  the owner of the home has set the address
            self.config.url,
            data=json.dumps({"kwh": round(consumption, 2)}).encode(),
            headers={"Authorization": f"Bearer {self.config.api_key.get_secret_value()}"},
        )
        urllib.request.urlopen(request, timeout=20).close()  # noqa: S310  as above
        self.wait(self.apps.get("notifier", Notifier).send(f"Energy of today: {consumption:.1f} kWh"))
