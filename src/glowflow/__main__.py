"""`python -m glowflow` is the command `glowflow`."""

import sys

from glowflow.cli import main

sys.exit(main())
