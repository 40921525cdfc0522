"""What `export` puts beside a model, copied as it is; it imports nothing of the harness."""
