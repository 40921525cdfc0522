"""Serving: one variant, alone in a fresh process, measured under load.

`serve(job)` starts `harness.serving.child`, waits for it and turns what it found into an Outcome.
"""

from harness.serving.serve import serve

__all__ = ["serve"]
