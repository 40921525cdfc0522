"""One run from its suite to its report: build each candidate once, run what is missing, decide."""
