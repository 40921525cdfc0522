#!/usr/bin/env bash
# apache-libcloud's table of EC2 Linux prices (ec2_linux) is not one of on-demand prices: for many instances and regions it
# holds 0.0, and for others a price several per cent above what its own older table of the same region says, by the ratio
# of dedicated machines. Which of the three a cell holds follows no rule that its readers could apply.
# Exits non-zero once no cell differs any more.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q apache-libcloud==3.9.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import libcloud
from libcloud.compute.types import Provider
from libcloud.pricing import get_size_price

print("apache-libcloud", libcloud.__version__)
newer = lambda size: get_size_price("compute", "ec2_linux", size, region="us-east-1")
older = lambda size: get_size_price("compute", "ec2_us_east", size)
for size in ("c5.large", "m5.xlarge", "c5.4xlarge", "r4.large", "p3.8xlarge", "m3.medium"):
    print(f"{size:12s} ec2_us_east {older(size)!s:7s} ec2_linux/us-east-1 {newer(size)!s}")
zero = newer("m5.xlarge") == 0.0 and older("m5.xlarge") == 0.192
dearer = newer("r4.large") > 1.05 * older("r4.large")
print("zero for a machine that costs 0.192:", zero, "| dearer than on demand:", dearer)
sys.exit(0 if zero and dearer else 1)
PYTHON
