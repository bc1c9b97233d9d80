"""Statements about the versions of apps."""

# ruff: noqa: S608  the statements contain only text from this package

# A row differs from the row before of the same app, or it is the first one of the app.
_MARKS = """
    SELECT id, session_id, app, version, code_hash, settings_hash, git_commit,
           lag(version) OVER of_app AS earlier_version, lag(code_hash) OVER of_app AS earlier_code,
           lag(settings_hash) OVER of_app AS earlier_settings
    FROM (SELECT * FROM deploys WHERE :app IS NULL OR app = :app ORDER BY id DESC LIMIT :examined)
    WINDOW of_app AS (PARTITION BY app ORDER BY id)
"""

VERSIONS = f"""
SELECT * FROM (
    SELECT id, session_id, app, version, git_commit AS "commit",
           earlier_version IS NOT NULL AND code_hash <> earlier_code AS code_changed,
           earlier_version IS NOT NULL AND settings_hash <> earlier_settings AS settings_changed,
           lead(id) OVER (PARTITION BY app ORDER BY id) AS next_id
    FROM ({_MARKS}) WHERE earlier_version IS NULL OR version <> earlier_version
)
WHERE id < :cursor ORDER BY id DESC LIMIT :limit
"""
"""Versions of apps, newest first, each with the id of the next version."""
