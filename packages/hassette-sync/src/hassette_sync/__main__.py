"""``python -m hassette_sync``: the same command as ``hassette-telemetry``."""

import sys

from hassette_sync.cli import main

if __name__ == "__main__":
    sys.exit(main())
