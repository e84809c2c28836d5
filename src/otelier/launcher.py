"""What upstream's launcher imports before it starts the app's process, if `launch` did not do it.

Loaded from the entry-point group `opentelemetry_environment_variables`, in the launching process.
With several distros installed, upstream takes whichever folder comes first; so this names
Otelier, unless the user has named a distro, and puts `otelier.site` in the place of upstream's
folder, so that a child Python of another environment starts without a word. (The launcher turns
every `OTEL_…` name of this module into a command-line flag: there must be none.)
"""

import os

from otelier.chosen import DISTRO, NAME, new_start
from otelier.site import take_place

new_start(os.environ)
if os.environ[DISTRO] == NAME:
    take_place(os.environ)
