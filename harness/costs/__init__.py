"""The price catalogue: `prices.yaml`, read by `harness.analysis.cost`."""
