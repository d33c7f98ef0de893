"""Let the tests of this folder import its modules as `protocol.…`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # pytest's importlib mode leaves it to us
