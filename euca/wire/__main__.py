"""`python -m euca.wire show FILE` explains a captured message."""

import sys

from euca.wire.explain import main

if __name__ == "__main__":
    status, text = main(sys.argv[1:])
    sys.stdout.write(f"{text}\n")
    sys.exit(status)
