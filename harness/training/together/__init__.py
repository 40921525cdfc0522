"""One candidate trained by several processes, each on its share of every batch.

Not among the files that every training's id counts (`planning/versions.py`): only what is trained together
depends on them.
"""
