"""``python -m sockstack``: the command line."""

import sys

try:
    from .cli.main import main

    code = main()
except KeyboardInterrupt:  # so early that nobody else was there to see it
    code = 130
sys.exit(code)
