"""``python -m vipbus.runtime.runner``: started by a service, with its socket as standard input."""

import sys

from vipbus.runtime.runner.process import main

sys.exit(main())
