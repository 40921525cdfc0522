#!/usr/bin/env bash
# gpuhunt 0.1.34 (list prices of cloud machines) installs top-level packages named `tests` and `integrity_tests`.
# A project whose own `tests/` has no __init__.py loses it by installing the library: a folder without __init__.py
# is only a candidate for a namespace package, and a regular package anywhere later on the path goes before it,
# also where the project's folder stands first.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gpuhunt==0.1.34
mkdir -p "$folder/project/tests"
echo "VALUE = 1" > "$folder/project/tests/helpers.py"
cd "$folder/project"
"$folder/venv/bin/python" - <<'PY'
import importlib.metadata
import sys

assert sys.path[0] == "", sys.path[0]  # the project's folder stands first
import tests

print("gpuhunt", importlib.metadata.version("gpuhunt"), "python", sys.version.split()[0])
print("import tests ->", "site-packages" if "site-packages" in (tests.__file__ or "") else tests)
try:
    import tests.helpers
except ModuleNotFoundError as error:
    print("tests.helpers ->", error)
else:
    sys.exit("the project's own tests/helpers.py was found: the behaviour has changed")
PY
touch tests/__init__.py
"$folder/venv/bin/python" -c "import tests.helpers; print('with tests/__init__.py -> found', tests.helpers.VALUE)"
