import subprocess
import sys
from pathlib import Path

from support.waiting import patience

README = Path(__file__).parents[2] / "packages" / "hassette-executor" / "README.md"


def test_example_in_the_readme_runs_with_the_expected_output():
    _, _, rest = README.read_text(encoding="utf-8").partition("```python\n")
    example, found, _ = rest.partition("```")
    assert found
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, timeout=patience(30), check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("error ")
    assert "ValueError: the bulb is broken" in done.stdout
    assert done.stdout.endswith("1 record kept\n")
