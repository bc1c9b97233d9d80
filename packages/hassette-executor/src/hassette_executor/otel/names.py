"""Names of attributes and metrics. The module `triggers` defines the names that only it uses.

The first group contains names of OpenTelemetry's semantic conventions, and a test compares each name with
``opentelemetry.semconv``. They are copied here because half of them come from an unstable module of that package, which
may change at any time. Names that the conventions do not define are in the namespaces ``homeassistant`` and
``hassette``.
"""

# Semantic conventions.
CODE_FILE_PATH = "code.file.path"
CODE_FUNCTION_NAME = "code.function.name"
CODE_LINE_NUMBER = "code.line.number"
ERROR_TYPE = "error.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
EXCEPTION_TYPE = "exception.type"
MESSAGING_DESTINATION_NAME = "messaging.destination.name"
MESSAGING_DESTINATION_SUBSCRIPTION_NAME = "messaging.destination.subscription.name"
MESSAGING_OPERATION_NAME = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_SYSTEM = "messaging.system"
RPC_METHOD = "rpc.method"
SERVICE_INSTANCE_ID = "service.instance.id"
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
USER_ID = "user.id"

# Facts of Home Assistant.
CONTEXT_ID = "homeassistant.context.id"
SERVICE_DATA = "homeassistant.service.data"
SERVICE_TARGET = "homeassistant.service.target"

# Facts of Hassette.
APP = "hassette.app"
CALL_ATTEMPT = "hassette.call.attempt"
CALL_CONFIRMED = "hassette.call.confirmed"
CALL_REHEARSED = "hassette.call.rehearsed"
DROPPED_LOG_LINES = "hassette.dropped.log_lines"
DROPPED_SERVICE_CALLS = "hassette.dropped.service_calls"
INSTANCE = "hassette.app.instance"
LIFECYCLE_DETAIL = "hassette.lifecycle.detail"
LIFECYCLE_KIND = "hassette.lifecycle.kind"
LIFECYCLE_SUBJECT = "hassette.lifecycle.subject"
LOG_LEVEL = "hassette.log.level"
LOG_LOGGER = "hassette.log.logger"
LOG_MESSAGE = "hassette.log.message"
LOSS_REASON = "hassette.loss.reason"
LOSS_WHAT = "hassette.loss.what"
RECORD_ID = "hassette.record.id"
REGISTRATION = "hassette.registration.name"
REGISTRATION_KIND = "hassette.registration.kind"
SESSION_FACT = "hassette.session."
SKIP_REASON = "hassette.skip.reason"
STATUS = "hassette.execution.status"
WAITED = "hassette.execution.waited"

# Metrics.
EXECUTIONS = "hassette.executions"
EXECUTION_DURATION = "hassette.execution.duration"
LIFECYCLE_EVENTS = "hassette.lifecycle.events"
LOSSES = "hassette.losses"
SKIPPED_EXECUTIONS = "hassette.executions.skipped"
