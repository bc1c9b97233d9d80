"""All joins between the packages, for the type checker. The code of this module is never run.

The two sides of a join are in different packages that do not import each other (docs/adr/0002-dependency-direction.md).
Only in this file, the type checker finds a mismatch between them. `test_joins.py` proves that it does.
"""

from pathlib import Path

from hassette_core.bus import BusService
from hassette_core.control import FrameworkControl
from hassette_core.installed import CompletingPluginCommand, PluginCommand
from hassette_core.lifecycle import DegradableResource, Resource, Service
from hassette_core.link import HomeAssistantLink
from hassette_core.live import LiveView
from hassette_core.plugins import ServiceFactory, SinkFactory, SinkService
from hassette_core.scheduler import SchedulerService
from hassette_core.simulation.demo.past import PastSinkFactory
from hassette_executor import (
    Batch,
    CommandExecutor,
    HandlerInvocation,
    JobExecution,
    MemorySink,
    NullSink,
    RecordSink,
    Registration,
    RunningExecution,
    SinkWithLosses,
    SinkWithStopLimit,
)
from hassette_executor.otel import OpenTelemetrySink
from hassette_executor.otel.plugin import create_sink as create_otel_sink
from hassette_store import DatabaseService, HistoryService
from hassette_store.plugin import create_sink
from hassette_store.rows import BatchRow, ExecutionRow, InvocationRow, RegistrationRow, RunningRow
from hassette_sync import DataSyncService
from hassette_sync.cli import main as telemetry
from hassette_sync.control import Control, MemoryControl, NoControl
from hassette_sync.live import LiveFeed, LiveRow, LiveSnapshot, MemoryFeed, NoFeed
from hassette_sync.plugin import configure_assistants, create_service
from hassette_sync.web.service import WebService

# The store accepts records by their shape, and does not import the classes of the executor.


def the_store_accepts_a_batch_of_the_executor(batch: Batch) -> BatchRow:
    return batch


def the_store_accepts_the_records_in_a_batch(
    invocation: HandlerInvocation, execution: JobExecution, registration: Registration, running: RunningExecution
) -> tuple[InvocationRow, ExecutionRow, RegistrationRow, RunningRow]:
    return invocation, execution, registration, running


def the_database_is_a_sink(database: DatabaseService) -> RecordSink:
    return database


def the_database_reports_runs_that_it_lost(database: DatabaseService) -> SinkWithLosses:
    return database


def the_other_sinks_are_sinks(otel: OpenTelemetrySink) -> tuple[RecordSink, ...]:
    return NullSink(), MemorySink(), otel


def opentelemetry_limits_the_stop(otel: OpenTelemetrySink) -> SinkWithStopLimit:
    return otel


def the_executor_accepts_the_database(database: DatabaseService) -> CommandExecutor:
    return CommandExecutor(database)


# Core starts and stops the services of all packages.


def core_accepts_these_services(
    executor: CommandExecutor,
    database: DatabaseService,
    web: WebService,
    bus: BusService,
    scheduler: SchedulerService,
    link: HomeAssistantLink,
) -> tuple[Service, ...]:
    return executor, database, web, bus, scheduler, link


def a_service_is_a_resource(service: Service) -> Resource:
    return service


def the_database_is_the_sink_service_that_core_expects(database: DatabaseService) -> SinkService:
    return database


def the_history_is_the_sink_service_that_core_expects(history: HistoryService) -> SinkService:
    return history


def the_history_reports_that_it_is_degraded(history: HistoryService) -> tuple[DegradableResource, SinkWithLosses]:
    return history, history


# Sync shows the present state, which core provides.


def the_live_view_of_core_is_a_live_feed(view: LiveView) -> LiveFeed:
    return view


def the_live_view_returns_a_live_snapshot(view: LiveView) -> LiveSnapshot:
    return view.snapshot()


def the_feeds_of_sync_are_live_feeds() -> tuple[LiveFeed, ...]:
    return NoFeed(), MemoryFeed()


def the_control_of_core_is_a_control(control: FrameworkControl) -> Control:
    return control


def the_controls_of_sync_are_controls() -> tuple[Control, ...]:
    return NoControl(), MemoryControl({})


def a_record_is_a_live_row(record: HandlerInvocation | JobExecution) -> LiveRow:
    return record


def sync_accepts_the_live_view(view: LiveView, control: FrameworkControl) -> DataSyncService:
    return DataSyncService(Path("hassette.db"), view, control)


# The entry points.


def the_store_provides_a_sink_factory() -> SinkFactory:
    return create_sink


def the_store_provides_a_sink_factory_for_the_past() -> PastSinkFactory:
    return create_sink


def opentelemetry_provides_a_sink_factory() -> SinkFactory:
    return create_otel_sink


def sync_provides_a_service_factory() -> ServiceFactory:
    return create_service


def sync_provides_a_factory_for_the_table_of_assistants() -> ServiceFactory:
    return configure_assistants


def sync_provides_a_command() -> PluginCommand:
    return telemetry


def sync_completes_its_command() -> CompletingPluginCommand:
    return telemetry
