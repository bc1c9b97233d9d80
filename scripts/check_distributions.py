"""Check the content of built wheels and sdists, then install each wheel in an empty environment and import it.

Usage: python scripts/check_distributions.py DIST_DIR

Our packages come from DIST_DIR, and all other packages from the package index.
"""

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
UNWANTED = ("__pycache__", ".pyc", ".db", "/tests/")


def expected_files(package: Path) -> set[str]:
    """Return the files that the wheel of a package must contain: code and data, without the tests of the examples."""
    return {
        file.relative_to(package / "src").as_posix()
        for file in package.glob("src/*/**/*")
        if file.is_file() and {"__pycache__", "tests"}.isdisjoint(file.relative_to(package).parts)
    }


def check(package: Path, dist: Path) -> list[str]:
    """Return the problems of a package's wheel and sdist."""
    name = package.name.replace("-", "_")
    wheels, sdists = list(dist.glob(f"{name}-*.whl")), list(dist.glob(f"{name}-*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        return [f"{package.name}: expected one wheel and one sdist, found {[file.name for file in wheels + sdists]}"]
    with zipfile.ZipFile(wheels[0]) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdists[0]) as archive:
        in_sdist = {member.name.partition("/")[2] for member in archive.getmembers()}
    required = expected_files(package)
    found = [f"the wheel lacks {file}" for file in sorted(required - in_wheel)]
    found += [f"the wheel lacks {name}/py.typed"] * (f"{name}/py.typed" not in in_wheel)
    found += ["the wheel lacks its licence"] * (not any(file.endswith("licenses/LICENSE") for file in in_wheel))
    found += [f"the wheel contains {file}" for file in sorted(in_wheel) if any(part in f"/{file}" for part in UNWANTED)]
    required_in_sdist = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"} | {
        f"src/{file}" for file in required
    }
    found += [f"the sdist lacks {file}" for file in sorted(required_in_sdist - in_sdist)]
    return [f"{package.name}: {problem}" for problem in found]


def install_alone(package: Path, dist: Path) -> list[str]:
    """Install one wheel and its dependencies, import it with warnings as errors, and return the problems."""
    name = package.name.replace("-", "_")
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch)
        python = str(Path(scratch, "bin", "python"))
        (wheel,) = dist.glob(f"{name}-*.whl")
        siblings = Path(scratch, "siblings.txt")
        siblings.write_text("".join(f"{distribution(file)} @ {file.as_uri()}\n" for file in dist.glob("*.whl")))
        uv = [sys.executable, "-m", "uv", "pip", "install", f"--python={python}", f"--overrides={siblings}"]
        uv.append(f"--constraints={CONSTRAINTS}")
        for step in ([*uv, str(wheel)], [python, "-W", "error", "-c", f"import {name}"]):
            done = subprocess.run(step, capture_output=True, text=True, cwd=scratch, check=False)
            if done.returncode:
                return [f"{package.name}, alone: {' '.join(step[1:])}: {done.stderr.strip()}"]
    return []


def distribution(wheel: Path) -> str:
    """Return the name of the package in a wheel."""
    return wheel.name.partition("-")[0].replace("_", "-")


def main(dist: Path) -> int:
    """Check every package of the workspace; return the exit code."""
    found: list[str] = []
    for package in sorted(ROOT.glob("packages/*")):
        before = len(found)
        found += check(package, dist)
        found += install_alone(package, dist)
        print(f"{package.name}: {'ok' if len(found) == before else 'failed'}", flush=True)
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
