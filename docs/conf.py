"""Sphinx configuration of these pages: ``nox -s docs``, with every warning as an error."""

from sphinx.application import Sphinx

project = "Hassette"
author = "The Hassette contributors"
project_copyright = "The Hassette contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Hassette"
# Furo uses the reader's fonts; a page loads nothing from another host.
html_static_path: list[str] = []
exclude_patterns = ["_build"]
highlight_language = "none"

autodoc_default_options = {"member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Types of other libraries are named but not linked, because the build must not need a network.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!hassette_).*"),
    # These types of single settings and options are described where they are used.
    (r"py:class", r".*\.(JobOptions|StatusReport|HomeAssistantSettings|FrameworkSettings|AppEntry)"),
    (r"py:class", r".*\.(ThreadCall|ClientSocket|Place|WatchdogSettings|RecordingSettings|AppT|T)"),
    # The page of the API describes the answers.
    (r"py:class", r"hassette_sync\.answers\..*"),
]
# Some classes have a property with the name of a type, such as `bytes`, and Sphinx takes the type for the property.
suppress_warnings = ["ref.python"]


def skip_names_of_other_packages(
    app: Sphinx, _what: str, _name: str, documented: object, _skip: bool, _options: object
) -> bool | None:
    """Leave out a name that another package defines, because the page of that package describes it."""
    defined_in = getattr(documented, "__module__", None)
    page = app.env.current_document.autodoc_module
    return True if defined_in and page and defined_in.partition(".")[0] != page.partition(".")[0] else None


def setup(app: Sphinx) -> None:
    """Connect the functions above to Sphinx's events."""
    app.connect("autodoc-skip-member", skip_names_of_other_packages)
