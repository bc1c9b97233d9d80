"""Recovery of a damaged file: move it aside and copy its readable rows into a new one."""
