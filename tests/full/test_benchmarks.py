"""Each benchmark can be imported, because CI does not fail if a benchmark fails."""

import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("benchmark", sorted(path.name for path in BENCHMARKS.glob("*.py")))
def test_benchmark_can_be_imported(benchmark, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = runpy.run_path(str(BENCHMARKS / benchmark), run_name="imported")
    assert names["__doc__"], "a benchmark describes what it measures"
