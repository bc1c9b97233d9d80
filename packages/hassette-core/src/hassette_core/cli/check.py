"""The command ``hassette check``."""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import click

from hassette_core.apps import LoadedInstance, load_apps
from hassette_core.checks import (
    Finding,
    HomeSnapshot,
    Level,
    Trial,
    check_address,
    check_source,
    check_triggers,
    compare,
    read_home,
    start_apps,
)
from hassette_core.cli.exit_codes import ExitCode, exit_code_for
from hassette_core.cli.options import config_option, timeout_option
from hassette_core.config import HassetteConfig, load_config
from hassette_core.errors import MAX_DESCRIPTION, CoreError, FatalError, LinkError
from hassette_core.framework import Hassette
from hassette_core.installed import plugin_tables
from hassette_core.redaction import Redaction, redact_output
from hassette_core.typed_home import FILE_NAME, write_typed_home
from hassette_executor import HassetteError, redact_and_cut

MAX_TEXT = 2 * MAX_DESCRIPTION
"""Maximum number of characters of a finding, which may contain the description of an error."""


@click.command()
@config_option
@click.option("--online", is_flag=True, help="Also compare the apps with the entities and services of Home Assistant.")
@timeout_option
@click.option("--write", is_flag=True, help=f"With --online, also write {FILE_NAME}, as `hassette generate` does.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def check(file: Path, online: bool, timeout_s: float, write: bool, as_json: bool) -> int:
    """Check the configuration, and start every app in a simulated home.

    The simulated home carries out no service call, so the apps change nothing in the real home. Each problem names
    the file and line, or the key, and the expected value.
    """
    if write and not online:
        raise click.UsageError("--write needs --online, because the names come from the real home")
    report = _Report(file, as_json=as_json)
    try:
        config = load_config(file, plugin_tables=plugin_tables())
        report.redact = Redaction(config.secrets)
        redact_output(report.redact)
        _check(config, report, timeout_s if online else None, write=write)
    except HassetteError as error:
        if not as_json:
            raise
        report.add([Finding(Level.FAILED, "", str(error))])
        report.code = exit_code_for(error)
    return report.finish()


def _check(config: HassetteConfig, report: "_Report", timeout_s: float | None, *, write: bool) -> None:
    home: HomeSnapshot | None = None
    problem: CoreError | None = None
    try:
        # Creating the framework starts nothing, but it parses the address, and each plugin checks its table.
        Hassette(config)
        home = None if timeout_s is None else asyncio.run(read_home(config, timeout_s))
    except (FatalError, LinkError) as error:
        problem = error  # the apps can be checked all the same, and an unchecked app must not be shown as ok
    if home is not None and write:
        # The apps import the module, so it must be current before they are loaded.
        try:
            write_typed_home(home, config.app_dir / FILE_NAME)
        except OSError as error:
            report.add([Finding(Level.FAILED, FILE_NAME, f"cannot be written: {error.strerror}")])
    with report.output_of_apps():
        loaded, failed = load_apps(config.apps, config.app_dir)
    subjects = [f"{app.app_key}.{app.instance}" if app.instance else app.app_key for app in failed]
    # If the code of a class is wrong, check_source finds the fault again, with its line and with all other faults.
    load_failures = [
        Finding(Level.FAILED, subject, str(app.error))
        for subject, app in zip(subjects, failed, strict=True)
        if app.app_class is None
    ]
    classes = {app.app_key: app.app_class for app in [*loaded, *failed] if app.app_class is not None}
    sources = {key: check_source(key, app_class, config.app_dir) for key, app_class in classes.items()}
    report.add([Finding(Level.WARNING, "hassette.secrets_file", warning) for warning in config.warnings])
    address = check_address(config.home_assistant.url) if home is None and problem is None else []
    with report.output_of_apps():
        trial = start_apps(config, sources, home) if loaded else Trial()
    in_code = [finding for source in sources.values() for finding in source.findings]
    # If the start of an app reaches a fault that is known from the code, it fails at the same line. Report it once.
    known = {(finding.file, finding.line) for finding in in_code}
    at_start = [
        finding
        for finding in trial.findings
        if (finding.file, finding.line) not in known and finding.subject not in subjects
    ]
    compared = [] if home is None else compare(home, loaded, sources, trial)
    if timeout_s is not None:
        compared += asyncio.run(check_triggers(config, trial.triggers, timeout_s))
    report.show_apps(loaded, [*load_failures, *address, *in_code, *at_start, *compared])
    report.show_home(home)
    if problem is not None:
        raise problem


class _Report:
    """Collects the result of a check, and writes it as text or JSON.

    Attributes:
        redact: Masks secrets in the findings.
        code: The exit code.
    """

    def __init__(self, file: Path, *, as_json: bool) -> None:
        self.redact: Redaction = Redaction(())
        self.code = ExitCode.OK
        self._file = file
        self._as_json = as_json
        self._apps: list[dict[str, str]] = []
        self._findings: list[Finding] = []
        self._home: dict[str, Any] | None = None

    def output_of_apps(self) -> AbstractContextManager[object]:
        """Return a context manager that writes the output of apps to standard error if the report is in JSON."""
        return redirect_stdout(sys.stderr) if self._as_json else nullcontext()

    def add(self, findings: Sequence[Finding]) -> None:
        """Add findings, and write them to standard error unless the report is in JSON."""
        for finding in findings:
            shown = finding._replace(text=redact_and_cut(finding.text, MAX_TEXT, self.redact))
            self._findings.append(shown)
            if not self._as_json:
                click.echo(f"{finding.level:7} {shown}", err=True)
            if finding.level is Level.FAILED:
                self.code = ExitCode.USAGE

    def show_apps(self, loaded: Sequence[LoadedInstance], findings: Sequence[Finding]) -> None:
        """Add the apps and all findings. An instance without a failure is ``ok``."""
        failed = {finding.subject for finding in findings if finding.level is Level.FAILED}
        for app in loaded:
            subject = f"{app.app_key}.{app.instance}"
            status = "failed" if {subject, app.app_key} & failed else "ok"
            self._apps.append(
                {"app": app.app_key, "instance": app.instance, "class": app.app_class.__name__, "status": status}
            )
            if status == "ok" and not self._as_json:
                click.echo(f"ok      {subject}: {app.app_class.__name__}")
        self.add(findings)

    def show_home(self, home: HomeSnapshot | None) -> None:
        """Add the result of the connection to Home Assistant, if there was one."""
        if home is None:
            return
        self._home = {"url": home.url, "version": home.version, "entities": len(home.states)}
        if not self._as_json:
            click.echo(f"ok      Home Assistant {home.version} at {home.url}, {len(home.states)} entities")

    def finish(self) -> ExitCode:
        """Write the end of the report, and return the exit code."""
        if self._as_json:
            report = {
                "file": str(self._file),
                "valid": self.code is ExitCode.OK,
                "apps": self._apps,
                "findings": [finding._asdict() for finding in self._findings],
                "home_assistant": self._home,
            }
            click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        elif self.code is ExitCode.OK:
            count, warnings = len(self._apps), len(self._findings)
            click.echo(
                f"{self._file} is valid: {count} app instance{'' if count == 1 else 's'}"
                + (f", {warnings} warning{'' if warnings == 1 else 's'}" if warnings else "")
            )
        return self.code
