"""A simulated Home Assistant (`home`), and the demo that runs the framework and example apps with it (`demo`).

Tests of apps and of the framework also use `SimulatedHome`. The command ``hassette demo`` runs a `Demo`.
"""
