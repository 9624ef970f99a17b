"""`python -m emofusion`: the same as the command `emofusion`."""

import sys

from emofusion.commands.main import main

if __name__ == "__main__":  # processes that are started anew read this file, too
    sys.exit(main())
