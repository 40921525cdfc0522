"""Run folders and what they lie on: a local disk, or any fsspec URL."""
