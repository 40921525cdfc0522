"""A package of its own: a dependency that ships a top-level `tests` would hide a folder without this file."""
