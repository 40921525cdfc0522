"""`harness init`: from files to a first suite. It says what it sees, and writes what fits a budget.

`find` tells what a path is, `tables`, `logs` and `builders` how it is to be read, `look` what is in it,
`offer` which candidates and metrics suit it, `effort` how much of that fits, and `write` the suite file.
"""
