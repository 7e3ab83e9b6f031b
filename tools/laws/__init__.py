"""Laws that ruff, mypy and import-linter cannot see, checked over the syntax tree, the SQL and the lock files.

A line that must break a law carries `law-skip: <law> - <why>` in a comment, on it or beside it.
"""
