"""`python -m harness`."""

import sys

if __name__ == "__main__":
    try:
        from harness.cli.main import main

        sys.exit(main())
    except KeyboardInterrupt:  # while the command line itself is loaded
        print("interrupted", file=sys.stderr)
        sys.exit(130)
