"""Serving: one variant, alone in a fresh process, measured under load.

`harness.serving.serve.serve(job)` starts `harness.serving.child`, waits for it and turns what it found
into an Outcome. Nothing is imported here: the measured process starts as light as it can.
"""
