"""Every join between the packages, stated for the type checker. Nothing here is ever run.

The two halves of the project do not import each other, so no other file would notice when they stop fitting
(docs/adr/0002-dependency-direction.md). `test_joins.py` proves that this one does.
"""

from pathlib import Path

from hassette_core.bus import BusService
from hassette_core.installed import Command
from hassette_core.lifecycle import Resource, Service
from hassette_core.link import HomeAssistantLink
from hassette_core.live import LiveView
from hassette_core.plugins import ServiceFactory, SinkFactory, SinkService
from hassette_core.scheduler import SchedulerService
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
)
from hassette_executor.otel import OpenTelemetrySink
from hassette_executor.otel.plugin import create_sink as create_otel_sink
from hassette_store import DatabaseService
from hassette_store.plugin import create_sink
from hassette_store.rows import BatchRow, ExecutionRow, InvocationRow, RegistrationRow, RunningRow
from hassette_sync import DataSyncService
from hassette_sync.cli import main as telemetry
from hassette_sync.live import LiveFeed, LiveRow, LiveRunning, LiveSnapshot, MemoryFeed, NoFeed
from hassette_sync.plugin import create_service

# ---- executor ┄▶ store: records, by value


def a_batch_of_the_executor_is_one_for_the_store(batch: Batch) -> BatchRow:
    return batch


def so_are_its_parts(
    invocation: HandlerInvocation, execution: JobExecution, registration: Registration, running: RunningExecution
) -> tuple[InvocationRow, ExecutionRow, RegistrationRow, RunningRow]:
    return invocation, execution, registration, running


def the_database_is_a_sink(database: DatabaseService) -> RecordSink:
    return database


def so_are_the_others(otel: OpenTelemetrySink) -> tuple[RecordSink, ...]:
    return NullSink(), MemorySink(), otel


def the_executor_takes_the_database(database: DatabaseService) -> CommandExecutor:
    return CommandExecutor(database)


# ---- everybody ┄▶ core: lifecycle


def these_are_services(
    executor: CommandExecutor,
    database: DatabaseService,
    sync: DataSyncService,
    bus: BusService,
    scheduler: SchedulerService,
    link: HomeAssistantLink,
) -> tuple[Service, ...]:
    return executor, database, sync, bus, scheduler, link


def a_service_is_a_resource(service: Service) -> Resource:
    return service


def the_database_is_what_core_expects_of_a_sink(database: DatabaseService) -> SinkService:
    return database


# ---- core ┄▶ sync: what is live


def core_shows_sync_what_is_live(view: LiveView) -> LiveFeed:
    return view


def core_says_how_things_are_now(view: LiveView) -> LiveSnapshot:
    return view.snapshot()


def so_do_the_feeds_beside_the_protocol() -> tuple[LiveFeed, ...]:
    return NoFeed(), MemoryFeed()


def a_record_is_what_a_page_shows(record: HandlerInvocation | JobExecution) -> LiveRow:
    return record


def so_is_a_run_that_goes_on(running: RunningExecution) -> LiveRunning:
    return running


def sync_reads_the_history_and_the_feed(view: LiveView) -> DataSyncService:
    return DataSyncService(Path("hassette.db"), view)


# ---- the entry points


def the_store_makes_a_sink() -> SinkFactory:
    return create_sink


def opentelemetry_makes_one_if_asked_to() -> SinkFactory:
    return create_otel_sink


def sync_makes_a_service() -> ServiceFactory:
    return create_service


def sync_has_a_command() -> Command:
    return telemetry
