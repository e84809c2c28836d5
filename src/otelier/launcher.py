"""What `opentelemetry-instrument` imports before it starts the app's process.

Loaded from the entry-point group `opentelemetry_environment_variables`, in the launching process.
With several distros installed, upstream takes whichever folder comes first; so this names
Otelier, unless the user has named a distro. (The launcher turns every `OTEL_…` name of this
module into a command-line flag: there must be none.)
"""

import os

from otelier.chosen import NEIGHBOURS, STARTED, name_otelier

# A new start, even when an observed app launches it.
os.environ.pop(STARTED, None)
os.environ.pop(NEIGHBOURS, None)
name_otelier(os.environ)
