"""How Sphinx builds these pages: ``nox -s docs``, every warning an error."""

project = "Hassette"
author = "The Hassette contributors"
project_copyright = "The Hassette contributors"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Hassette"
# Furo takes the reader's own fonts; nothing on a page comes from another host.
html_static_path: list[str] = []
exclude_patterns = ["_build"]
highlight_language = "none"
