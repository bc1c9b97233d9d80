"""Write the real outputs of the commands into the pages of docs/how-to.

Usage: python scripts/write_how_to.py

The history is that of the demo, at a fixed time. `support` is a link to tests/support. The script needs all packages.
"""

from support.how_to import refresh

if __name__ == "__main__":
    refresh()
