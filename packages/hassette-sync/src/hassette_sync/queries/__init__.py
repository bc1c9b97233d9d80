"""All SQL of this package: named statements, each with its sentence.

Parameters are named; nothing is spliced in but fixed text of these modules. The tables and views are those of
`hassette_store/migrations/sql/0001_initial.sql`.
"""
