"""Settings that every test shares: one thread, no trackers online, a quiet terminal."""

from __future__ import annotations

import os

# Two pools of spinning OpenMP threads ruin each other on few cores, so tests use one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TERM", "dumb")
