"""The price catalogue: `prices.csv`, which scripts/price_snapshot writes."""
