"""SQL of this package: named statements, each with a docstring.

Values are bound by name. Statements contain only fixed text from these modules and from the store's table of kinds.
The schema is `hassette_store/migrations/sql/0001_initial.sql`.
"""
