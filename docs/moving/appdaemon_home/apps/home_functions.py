"""Functions that several apps use. In apps.yaml, this is a global module."""

AWAKE_MODES = ("Home", "Night")


def number_of(app, entity_id, otherwise=0.0):
    """Return the state of a sensor as a number."""
    try:
        return float(app.get_state(entity_id))
    except (TypeError, ValueError):
        return otherwise


def open_windows(app, windows):
    """Return the names of the open windows."""
    return [app.friendly_name(window) for window in windows if app.get_state(window) == "on"]
