"""``/metrics``: figures for Prometheus, in its text format or as OpenMetrics."""

from collections.abc import Iterator

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.responses import Response

from hassette_sync.__about__ import __version__
from hassette_sync.answers.overview import Live, SystemStatus
from hassette_sync.errors import SyncError
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import SECOND_US

metrics = APIRouter(include_in_schema=False)


@metrics.get("/metrics")
async def show_metrics(request: Request) -> Response:
    """Return the figures in the format that the client prefers."""
    data: DataSyncService = request.app.state.data
    try:
        status = await data.status()
    except SyncError:
        status = None  # the figure `hassette_history_readable` reports it
    registry = CollectorRegistry()
    registry.register(_Figures(status, data.live_state(), len(request.app.state.followers)))
    try:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        body = encode(registry)
        content_type.encode("ascii")
    except (TypeError, ValueError):  # the header has a version that is none
        encode, content_type = choose_encoder("")
        body = encode(registry)
    return Response(body, media_type=content_type)


class _Figures(Collector):
    """The figures at one moment. No label has the name of an app or entity, so their number is small."""

    def __init__(self, status: SystemStatus | None, live: Live | None, live_clients: int) -> None:
        self._status = status
        self._live = live
        self._live_clients = live_clients

    def collect(self) -> Iterator[Metric]:
        """Yield the figures."""
        build = GaugeMetricFamily("hassette_build_info", "Version of hassette-sync.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield GaugeMetricFamily("hassette_live_clients", "Clients of the live stream.", self._live_clients)
        yield GaugeMetricFamily(
            "hassette_history_readable", "Whether the history can be read.", int(self._status is not None)
        )
        if self._status is not None:
            yield from _of_history(self._status)
        if self._live is not None:
            yield from _of_framework(self._live)


def _of_history(status: SystemStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily("hassette_history_size_bytes", "Size of the history with its log.", status.size_bytes)
    if (session := status.session) is not None:
        started = session.started_us / SECOND_US
        yield GaugeMetricFamily("hassette_session_start_time_seconds", "Start of the newest session.", started)
        yield GaugeMetricFamily(
            "hassette_session_open", "Whether the newest session is running.", int(session.state == "running")
        )
        # Counters may fall to zero only with a new session, and Prometheus recognises this as a restart.
        yield CounterMetricFamily("hassette_session_runs", "Runs that ended in the newest session.", session.runs)
        yield CounterMetricFamily(
            "hassette_session_failures", "Failed runs that ended in the newest session.", session.failures
        )
    if status.last_run is not None:
        yield GaugeMetricFamily(
            "hassette_last_run_end_time_seconds", "End of the newest run.", status.last_run.ended_us / SECOND_US
        )


def _of_framework(live: Live) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "hassette_ready", "Whether Home Assistant is connected and the apps have started.", int(live.ready)
    )
    connected = int(live.connection == "connected")
    yield GaugeMetricFamily("hassette_home_assistant_connected", "Whether Home Assistant is connected.", connected)
    services = GaugeMetricFamily("hassette_service_running", "Whether a service is running.", labels=["service"])
    for service in live.services:
        services.add_metric([service.name], int(service.status == "running"))
    yield services
    counts = live.accounting
    yield CounterMetricFamily("hassette_runs_executed", "Runs that have ended in this process.", counts.executed)
    yield CounterMetricFamily("hassette_runs_stored", "Runs of this process in the history.", counts.persisted)
    yield GaugeMetricFamily("hassette_runs_waiting", "Runs that are not stored yet.", counts.waiting)
    lost = CounterMetricFamily("hassette_runs_without_row", "Runs of this process without a row.", labels=["reason"])
    for reason, count in sorted(counts.shed.items()):
        lost.add_metric([reason], count)
    yield lost
