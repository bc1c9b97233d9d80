"""All checks, one session each. ``nox -l`` lists the sessions; run ``nox -s test`` every day.

The sessions test installed wheels, as users have them. The wheels are built from this tree for a new environment.
`.ci/run` runs the sessions that a change must pass.

All sessions install the versions in constraints.txt, except `minimums`, `maximums`, `newest` and `pin`. `minimums`
installs the versions in constraints-minimums.txt. A new release of a dependency therefore cannot make a required check
of a clean clone fail. ``nox -s pin`` updates both files.
"""

import hashlib
import os
import re
import shutil
import ssl
import tempfile
from itertools import chain
from pathlib import Path

import nox
import nox.command

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True  # by default nox skips the session and exits with 0
nox.options.download_python = "never"  # test the user's Python, not a downloaded one
nox.options.allow_parallel = True  # ``nox -j 2``; the session `bench` measures time and forbids this
nox.options.sessions = ["test"]
os.environ["UV_PYTHON_DOWNLOADS"] = "never"
# Without bytecode, Python compiles all packages again in each of the many processes that the tests start, which takes
# more than a second each time. The environments contain no bytecode at first, because uv does not compile.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
if any(ssl.get_default_verify_paths()[:2]):
    # A proxy may have certificates that only the system trusts. Without system certificates uv uses its bundled ones.
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")

ROOT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
LOWEST, USUAL, NEWEST = "3.11", "3.13", "3.14"
# The tests that depend on Home Assistant's answers. They also run against the newer version.
ANSWER_TESTS = [
    f"tests/homeassistant/test_{name}.py"
    for name in (
        *("api", "contract", "home", "late_causes", "planted_causes", "recipes", "run", "sun", "triggers"),
        "why_not_reasons",
    )
]
HOME_ASSISTANT = Path(os.environ.get("HASS_TEST_DIR") or ROOT.parent / "shared" / "homeassistant")
# ``nox -s python`` unpacks the newest Python here. The folder comes last in PATH, since it contains other programs.
UNPACKED = ROOT / ".nox" / f"python{NEWEST}"
os.environ["PATH"] += f"{os.pathsep}{UNPACKED / 'usr' / 'bin'}"

# The packages that each kind of user installs. `scripts/check_installed.py` checks that the packages of other
# users are not installed.
PARTS = {
    "executor": ["hassette-executor"],
    "core": ["hassette-executor", "hassette-core"],
    "store": ["hassette-store"],
    "sync": ["hassette-store", "hassette-sync[web]"],
    "full": ["hassette-executor[otel]", "hassette-core[telemetry]", "hassette-store", "hassette-sync[web,mcp]"],
}
# With all packages, the tests of the other parts run only in `test`. The part `sync` does not install `mcp`.
TESTS_OF_PARTS = {"full": ["tests/full", "tests/otel", "tests/contracts", "tests/sync/test_assistants.py"]}
EVERY_PART = [nox.param(part, id=part) for part in PARTS]
QUICK = "not homeassistant and not browser and not torture"
IN_EACH_ENVIRONMENT = f"{QUICK} and not long"  # tests marked `long` run once per CI run, in the session `test`
# Tests marked `heavy` take much CPU time, for example because they start many processes or damage many files. They
# depend little on the version of Python, so they run in the session `test`, and in the matrix with the newest Python.
WITHOUT_HEAVY = f"{IN_EACH_ENVIRONMENT} and not heavy"
# Tests run in parallel, because most of them wait for processes and timers. ``-- -n 0`` runs one test after the other.
PARALLEL = ["--numprocesses=logical", "--dist=worksteal"]
# A test that fails runs once more, because several sessions share the cores. pytest shows the traceback of the first
# try, and `.ci/run` lists these tests. docs/adr/0032-second-try.md has the reason and the limit.
SECOND_TRY = ["--reruns=1", "--rerun-show-tracebacks"]
CONSTRAINTS = ROOT / "constraints.txt"
LOWEST_CONSTRAINTS = ROOT / "constraints-minimums.txt"
PINNED = ["-c", str(CONSTRAINTS)]
WORKSPACE = nox.project.load_toml(ROOT / "pyproject.toml")
PACKAGES = [nox.project.load_toml(file) for file in sorted(ROOT.glob("packages/*/pyproject.toml"))]
DEPENDENT_TESTS = [f"tests/{folder}" for folder in ("core", "store", "sync", "full", "otel", "contracts")]


@nox.session
def test(session: nox.Session) -> None:
    """Run all quick tests with all packages, on the Python that runs nox, with one process per core."""
    install(session, "full", "test", "api")
    where = session.posargs or ["--ignore=tests/typing", "tests", "examples"]
    session.run("pytest", "-m", QUICK, *SECOND_TRY, *PARALLEL, *where)


@nox.session(venv_backend="none")
def python(session: nox.Session) -> None:
    """Unpack the newest tested Python from Debian's archive, for a machine that does not have it."""
    if shutil.which(f"python{NEWEST}"):
        session.skip(f"this machine has python{NEWEST}")
    session.run(str(HOME_ASSISTANT / "debian-python"), NEWEST, str(UNPACKED), external=True)


@nox.session(python=PYTHONS)
@nox.parametrize("part", EVERY_PART)
def tests(session: nox.Session, part: str) -> None:
    """Run a part's tests with only this part installed: Python 3.11-3.14 x executor, core, store, sync, full."""
    test_part(session, part, CONSTRAINTS)


@nox.session(python=LOWEST)
@nox.parametrize("part", EVERY_PART)
def minimums(session: nox.Session, part: str) -> None:
    """Do the same as `tests` with the lowest versions of our dependencies that our ranges admit."""
    test_part(session, part, LOWEST_CONSTRAINTS)


@nox.session(python=NEWEST)
def maximums(session: nox.Session) -> None:
    """Test with today's newest versions of our dependencies and with pinned test tools; CI does not require it."""
    session.install(*direct_dependencies())
    install(session, "full", constraints=None)
    installed = installed_names(session)
    tools = Path(session.create_tmp()).resolve() / "tools.txt"
    tools.write_text("".join(line for line in CONSTRAINTS.open() if name_of(line) not in installed))
    session.install("-c", str(tools), *group("test"))
    session.run("pytest", "-m", IN_EACH_ENVIRONMENT, *(session.posargs or DEPENDENT_TESTS))


@nox.session(python=NEWEST)
def newest(session: nox.Session) -> None:
    """Run most checks with today's newest versions of all dependencies and tools; CI does not require it."""
    install(session, "full", "test", "lint", "typecheck", "docs", constraints=None)
    run_lint(session)
    session.run("pyright")
    run_sphinx(session)
    session.run("pytest", "-m", IN_EACH_ENVIRONMENT, *(session.posargs or ["tests"]))


@nox.session(python=LOWEST)
def pin(session: nox.Session) -> None:
    """Update constraints.txt and constraints-minimums.txt from the ranges in all pyproject.toml files."""
    session.install("uv")
    folder = Path(session.create_tmp()).resolve()
    groups = {line for name in WORKSPACE["dependency-groups"] for line in group(name)}
    build = {line for package in PACKAGES for line in package["build-system"]["requires"]}
    dependencies = direct_dependencies()
    CONSTRAINTS.write_text(
        "# Tested versions of tools and dependencies, for Python 3.11 and later. Written by ``nox -s pin``.\n"
        + resolve(session, folder, groups | build | dependencies)
    )
    # First resolve the packages' dependencies without the tools, because only the dependencies need lowest versions.
    lowest = resolve(session, folder, dependencies, "--resolution=lowest-direct")
    LOWEST_CONSTRAINTS.write_text(
        "# The lowest versions of our dependencies, and test tools that work with them. Written by ``nox -s pin``.\n"
        + resolve(session, folder, {*lowest.splitlines(), *group("test")})
    )


@nox.session(python=LOWEST)
def lint(session: nox.Session) -> None:
    """Check ruff's rules, ruff's format, the import contracts, and the commit messages since the last release."""
    session.install(*PINNED, *group("lint"))
    run_lint(session)
    session.run("python", "scripts/check_commits.py")


@nox.session(python=LOWEST)
def typecheck(session: nox.Session) -> None:
    """Check the types of the packages, of the tests' shared helpers, and of the interfaces between the packages."""
    install(session, "full", "test", "typecheck")
    session.run("pyright")
    session.run("pytest", "tests/typing")


@nox.session(python=USUAL)
def coverage(session: nox.Session) -> None:
    """Check that the executor's tests cover each of its branches."""
    install(session, "full", "test")
    session.run(
        *["pytest", "-m", IN_EACH_ENVIRONMENT, *SECOND_TRY, "--cov=hassette_executor", "--cov-branch"],
        *["--cov-fail-under=100", "--cov-report=term-missing:skip-covered", "tests/executor", "tests/otel"],
    )


@nox.session(python=USUAL)
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning or a broken internal link is an error."""
    install(session, "full", "docs")
    run_sphinx(session, *session.posargs)


@nox.session(python=LOWEST)
def build(session: nox.Session) -> None:
    """Build each wheel and sdist, check the contents, install each wheel alone and import it."""
    session.install(*PINNED, *group("release"))
    output = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(output, ignore_errors=True)
    for package in sorted(ROOT.glob("packages/*")):
        # Without --wheel or --sdist, `build` builds the wheel from the sdist, as a Linux distribution does.
        session.run("python", "-m", "build", "--no-isolation", "--outdir", str(output), str(package), silent=True)
    session.run("python", "scripts/check_distributions.py", str(output))


@nox.session(python=USUAL)
def browser(session: nox.Session) -> None:
    """Test the web pages in the system's Chromium."""
    install(session, "full", "test", "browser")
    session.run("pytest", "-m", "browser", *SECOND_TRY, *(session.posargs or ["tests/browser"]))


@nox.session(python=USUAL)
def homeassistant(session: nox.Session) -> None:
    """Test the link, the demo apps and the simulated home against two versions of a real Home Assistant.

    The newer version runs the tests that depend on Home Assistant's answers. Arguments after ``--`` run other tests,
    with the version that HASS_VERSION names.
    """
    install(session, "full", "test")
    if session.posargs:
        session.run("pytest", "-m", "homeassistant", *session.posargs)
        return
    command = ["pytest", "-m", "homeassistant", *SECOND_TRY]
    session.run(*command, "tests/homeassistant", env={"HASS_VERSION": "2025.4.4"})
    session.run(*command, *ANSWER_TESTS, env={"HASS_VERSION": "2026.11"})


@nox.session(python=USUAL)
def torture(session: nox.Session) -> None:
    """Run the tests that take minutes: a thousand SIGKILLs, a sink that fails for a minute, a file locked for 30 s."""
    install(session, "full", "test")
    session.run("pytest", "-m", "torture", "--timeout=3600", *(session.posargs or ["tests"]))


@nox.session(python=USUAL, allow_parallel=False)
def soak(session: nox.Session) -> None:
    """Reload an app 500 times under load, then watch the memory for hours: ``nox -s soak -- --minutes 60``."""
    install(session, "full", "test")
    for options in ([], ["--history"]):
        session.run("python", "scripts/reload_soak.py", *options)
    session.run("python", "scripts/soak.py", *session.posargs)


@nox.session(python=USUAL, allow_parallel=False)
def bench(session: nox.Session) -> None:
    """Run the benchmarks one after the other; ``-- --quick`` runs fewer rounds."""
    install(session, "full", "test")
    failed: list[str] = []
    for benchmark in sorted(ROOT.glob("benchmarks/*.py")):
        if "__main__" in benchmark.read_text():  # the other files are shared helpers
            try:
                session.run("python", str(benchmark), *session.posargs)
            except nox.command.CommandFailed:  # after a missed target, show the figures of the other benchmarks, too
                failed.append(benchmark.name)
    if failed:
        session.error(f"Failed: {', '.join(failed)}")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the whole system with the simulated home: ``nox -s demo -- --seconds 15``."""
    install(session, "full")
    session.run("hassette", "demo", *session.posargs)


@nox.session(python=USUAL)
def release(session: nox.Session) -> None:
    """Check and build one release: ``nox -s release -- hassette-store 0.2.0``; ``--publish`` also uploads it."""
    session.install(*PINNED, *group("release"))
    session.run("python", "scripts/release.py", *session.posargs)


def test_part(session: nox.Session, part: str, constraints: Path) -> None:
    """Run a part's tests with only this part installed."""
    install(session, part, constraints=constraints)
    session.run("python", "scripts/check_installed.py", part)
    session.install("-c", str(constraints), *group("test"))
    options = PARALLEL if part == "full" else []  # these tests wait for processes most of the time
    selected = IN_EACH_ENVIRONMENT if session.python == NEWEST else WITHOUT_HEAVY
    where = session.posargs or TESTS_OF_PARTS.get(part, [f"tests/{part}"])
    session.run("pytest", "-m", selected, *SECOND_TRY, *options, *where)


def run_lint(session: nox.Session) -> None:
    """Run ruff and the import contracts."""
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    sources = os.pathsep.join(str(source) for source in sorted(ROOT.glob("packages/*/src")))
    session.run("lint-imports", env={"PYTHONPATH": sources})


def run_sphinx(session: nox.Session, *arguments: str) -> None:
    """Build the documentation into ``site``."""
    session.run("sphinx-build", "-q", "-n", "-W", "--keep-going", "-b", "html", "docs", "site", *arguments)


def install(session: nox.Session, part: str, *groups: str, constraints: Path | None = CONSTRAINTS) -> None:
    """Install a part's packages from their wheels, together with dependency groups."""
    folder = wheels(session)
    packages = [requirement(name, folder) for name in PARTS[part]]
    pinned = ["-c", str(constraints)] if constraints else []
    session.install(*pinned, *packages, *(line for name in groups for line in group(name)))


def resolve(session: nox.Session, folder: Path, requirements: set[str], *options: str) -> str:
    """Return pinned versions of requirements and their dependencies for all platforms, one per line."""
    requested, found = folder / "requirements.txt", folder / "resolved.txt"
    requested.write_text("\n".join(sorted(requirements)))
    found.unlink(missing_ok=True)  # uv would keep the versions in an existing file
    compile_ = ["uv", "pip", "compile", "--quiet", "--universal", f"--python-version={LOWEST}", "--no-header"]
    session.run(*compile_, "--no-annotate", *options, "--output-file", str(found), str(requested))
    return found.read_text()


def installed_names(session: nox.Session) -> set[str]:
    """Return the names of the packages in a session's environment."""
    program = "import importlib.metadata as m; print(*(d.name for d in m.distributions()), sep='\\n')"
    return {name_of(line) for line in str(session.run("python", "-c", program, silent=True)).splitlines()}


def name_of(line: str) -> str:
    """Return the normalized name in a line like ``typing_extensions==4.15.0``."""
    return re.sub(r"[-_.]+", "-", line.partition("==")[0].strip()).lower()


def direct_dependencies() -> set[str]:
    """Return the requirements of our packages and their extras, without our packages themselves."""
    projects = [package["project"] for package in PACKAGES]
    extras = chain(*(project.get("optional-dependencies", {}).values() for project in projects))
    lines = chain(*(project["dependencies"] for project in projects), *extras)
    return {line for line in lines if not line.startswith("hassette-")}


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group in the root's pyproject.toml."""
    return list(nox.project.dependency_groups(WORKSPACE, name))


def requirement(package: str, folder: Path) -> str:
    """Return ``name[extra] @ file://….whl`` for a package in a folder of wheels."""
    name = package.partition("[")[0]
    (wheel,) = folder.glob(f"{name.replace('-', '_')}-*.whl")
    return f"{package} @ {wheel.as_uri()}"


def wheels(session: nox.Session) -> Path:
    """Return a folder with wheels of this tree. Build them if there are no wheels of the same files.

    The wheels do not come from uv's cache, which checks only pyproject.toml and would return wheels of older code.
    """
    digest = hashlib.sha256()
    for file in sorted(ROOT.glob("packages/*/**/*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    folder = ROOT / ".nox" / "wheels" / digest.hexdigest()[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            for package in sorted(map(str, ROOT.glob("packages/*"))):
                build_wheel(session, package, f"{scratch}/built")
            try:
                Path(scratch, "built").rename(folder)
            except OSError:  # a parallel session built the same wheels in the meantime
                if not folder.exists():
                    raise
    return folder


def build_wheel(session: nox.Session, package: str, folder: str) -> None:
    """Build one wheel, with uv or pip, depending on the session's backend."""
    if session.venv_backend == "uv":
        options = ["--build-constraints", str(CONSTRAINTS), "--out-dir", folder]
        session.run_install("uv", "build", "--quiet", "--wheel", *options, package)
    else:
        # Older versions of pip read the first variable for the build requirements, newer versions read the second.
        pinned = {"PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
        options = ["--quiet", "--no-deps", "--wheel-dir", folder]
        session.run_install("python", "-m", "pip", "wheel", *options, package, env=pinned)
