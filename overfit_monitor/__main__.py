"""``python -m overfit_monitor``."""

import sys

from overfit_monitor.cli import main

sys.exit(main())
