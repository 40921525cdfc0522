"""What a suite may say: its schema, and the small languages in it (limits, values, runtimes)."""
