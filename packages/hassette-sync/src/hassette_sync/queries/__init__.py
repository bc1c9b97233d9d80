"""SQL of this package: named statements, each with a sentence that explains it.

Values are bound by name. Statements are assembled only from fixed text of these modules and the store's table of kinds.
The schema is `hassette_store/migrations/sql/0001_initial.sql`.
"""
