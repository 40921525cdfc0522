"""What `export` puts beside a model: `predict.py`, copied as it is; it imports nothing of the harness."""
