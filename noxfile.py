"""Every check there is, one session each: ``nox -l`` lists them, ``nox -s test`` is the one for every day.

Sessions test what a user gets: wheels built from this tree, installed into an environment of their own, never the tree
itself. `.ci/run` runs them all.
"""

import hashlib
import os
import shutil
import ssl
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True  # nox would skip the session and end with 0
nox.options.download_python = "never"  # a Python fetched from elsewhere is not the one that the user has
nox.options.allow_parallel = True  # ``nox -j 2``; a session that measures time says no for itself
nox.options.sessions = ["test"]
os.environ["UV_PYTHON_DOWNLOADS"] = "never"
if any(ssl.get_default_verify_paths()[:2]):
    # Behind a proxy that has its own certificates, only the system knows those. Where it knows none, uv brings its own.
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")

ROOT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13"]
LOWEST, NEWEST = PYTHONS[0], PYTHONS[-1]

# What each kind of user installs. `scripts/check_installed.py` says what must not come with it.
PARTS = {
    "executor": ["hassette-executor"],
    "core": ["hassette-executor", "hassette-core"],
    "store": ["hassette-store"],
    "sync": ["hassette-store", "hassette-sync[web]"],
    "full": ["hassette-executor[otel]", "hassette-core[telemetry]", "hassette-store", "hassette-sync[web]"],
}
EVERY_PART = [nox.param(part, id=part) for part in PARTS]
QUICK = "not homeassistant and not browser and not torture"
ONCE = f"{QUICK} and not long"  # what takes a minute runs once, in `test`, and not again in each environment
WORKSPACE = nox.project.load_toml(ROOT / "pyproject.toml")
PROJECTS = [nox.project.load_toml(file)["project"] for file in sorted(ROOT.glob("packages/*/pyproject.toml"))]


@nox.session
def test(session: nox.Session) -> None:
    """Everything installed, every quick test, on the Python at hand."""
    install(session, "full", "test")
    session.run("pytest", "-m", QUICK, *(session.posargs or ["--ignore=tests/typing", "tests"]))


@nox.session(python=PYTHONS)
@nox.parametrize("part", EVERY_PART)
def tests(session: nox.Session, part: str) -> None:
    """One part alone, its own tests, on one Python: 3.11-3.13 x executor, core, store, sync, full."""
    install(session, part)
    session.run("python", "scripts/check_installed.py", part)
    session.install(*group("test"))
    where = ["tests/full", "tests/otel", "tests/architecture"] if part == "full" else [f"tests/{part}"]
    session.run("pytest", "-m", ONCE, *(session.posargs or where))


@nox.session(python=LOWEST)
def minimums(session: nox.Session) -> None:
    """The lowest versions that our ranges admit pass the tests of whatever has a dependency."""
    # To uv a wheel's own requirements are not direct ones, so they are spelled out.
    direct = {line for project in PROJECTS for line in asked_for(project) if not line.startswith("hassette-")}
    session.install("--resolution=lowest-direct", *sorted(direct))
    install(session, "full", "test")
    where = [f"tests/{part}" for part in ("core", "store", "sync", "full", "otel")]
    session.run("pytest", "-m", ONCE, *(session.posargs or where))


@nox.session(python=LOWEST)
def lint(session: nox.Session) -> None:
    """Ruff's rules, ruff's format, and the import contracts."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    sources = os.pathsep.join(str(source) for source in sorted(ROOT.glob("packages/*/src")))
    session.run("lint-imports", env={"PYTHONPATH": sources})


@nox.session(python=LOWEST)
def typecheck(session: nox.Session) -> None:
    """Pyright, strict: the packages, and the file that states every join between them."""
    install(session, "full", "test", "typecheck")
    session.run("pyright")
    session.run("pytest", "tests/typing")


@nox.session(python=NEWEST)
def coverage(session: nox.Session) -> None:
    """The executor's own tests reach every branch of it."""
    install(session, "full", "test")
    session.run(
        *["pytest", "-m", QUICK, "--cov=hassette_executor", "--cov-branch", "--cov-report=term-missing:skip-covered"],
        *["--cov-fail-under=100", "tests/executor", "tests/otel"],
    )


@nox.session(python=NEWEST)
def docs(session: nox.Session) -> None:
    """The documentation builds, with every warning an error and every link inside it whole."""
    session.install(*group("docs"))
    session.run("sphinx-build", "-q", "-n", "-W", "--keep-going", "-b", "html", "docs", "site", *session.posargs)


@nox.session(python=LOWEST)
def build(session: nox.Session) -> None:
    """Build each wheel and sdist, look inside, install each alone and import it."""
    session.install(*group("release"))
    output = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(output, ignore_errors=True)
    for package in sorted(ROOT.glob("packages/*")):
        # Without arguments `build` makes the wheel from the sdist: what a distribution would do.
        session.run("python", "-m", "build", "--no-isolation", "--outdir", str(output), str(package), silent=True)
    session.run("python", "scripts/check_distributions.py", str(output))


@nox.session(python=NEWEST)
def browser(session: nox.Session) -> None:
    """The pages in a real browser: the system's Chromium."""
    install(session, "full", "test", "browser")
    session.run("pytest", "-m", "browser", *(session.posargs or ["tests/browser"]))


@nox.session(python=NEWEST)
def homeassistant(session: nox.Session) -> None:
    """The link, the demo apps and the contract tests against a real Home Assistant."""
    install(session, "full", "test")
    session.run("pytest", "-m", "homeassistant", *(session.posargs or ["tests/homeassistant"]))


@nox.session(python=NEWEST)
def torture(session: nox.Session) -> None:
    """What takes minutes: a thousand SIGKILLs, a minute without a sink, half a minute of a locked file."""
    install(session, "full", "test")
    session.run("pytest", "-m", "torture", "--timeout=3600", *(session.posargs or ["tests"]))


@nox.session(python=NEWEST, allow_parallel=False)
def bench(session: nox.Session) -> None:
    """The figures that the documentation promises, one after the other; ``-- --quick`` for a tenth of the work."""
    install(session, "full", "test")
    for benchmark in sorted(ROOT.glob("benchmarks/*.py")):
        if "__main__" in benchmark.read_text():  # the others are what these share
            session.run("python", str(benchmark), *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """The whole system on the simulated home: ``nox -s demo -- --seconds 15``."""
    install(session, "full")
    session.run("hassette", "demo", *session.posargs)


@nox.session(python=NEWEST)
def release(session: nox.Session) -> None:
    """Release one package: ``nox -s release -- hassette-store 0.2.0``, and ``--publish`` to upload it."""
    session.install(*group("release"))
    session.run("python", "scripts/release.py", *session.posargs)


def install(session: nox.Session, part: str, *groups: str) -> None:
    """Install a part's packages from their wheels, and the dependency groups beside them."""
    folder = wheels(session)
    packages = [requirement(name, folder) for name in PARTS[part]]
    session.install(*packages, *(line for name in groups for line in group(name)))


def asked_for(project: dict[str, Any]) -> list[str]:
    """Return what a package asks for, with all of its extras."""
    return [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]


def group(name: str) -> list[str]:
    """Return the requirements of one of the root pyproject.toml's dependency groups."""
    return list(nox.project.dependency_groups(WORKSPACE, name))


def requirement(package: str, folder: Path) -> str:
    """Return ``name[extra] @ file://….whl`` for a package in a folder of wheels."""
    name = package.partition("[")[0]
    (wheel,) = folder.glob(f"{name.replace('-', '_')}-*.whl")
    return f"{package} @ {wheel.as_uri()}"


def wheels(session: nox.Session) -> Path:
    """Return the folder with the wheels of this tree, and build them first if a file has changed since the last time.

    uv's own cache looks at pyproject.toml only, and would hand out yesterday's code.
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
            except OSError:  # another nox at the same time was quicker: its wheels are the same
                if not folder.exists():
                    raise
    return folder


def build_wheel(session: nox.Session, package: str, folder: str) -> None:
    """Build one wheel, with what the session's backend has for it."""
    if session.venv_backend == "uv":
        session.run_install("uv", "build", "--quiet", "--wheel", "--out-dir", folder, package)
    else:
        session.run_install("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, package)
