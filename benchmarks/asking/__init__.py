"""The questions and pages that `benchmarks/questions.py` measures."""
