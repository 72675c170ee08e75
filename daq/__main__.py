"""`python -m daq` is the command `daq`."""

import sys

from daq.cli.main import main

sys.exit(main())
