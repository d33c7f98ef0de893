"""`python -m bench`: hands over to `run.py`, whose parts are plain scripts and modules of this folder."""

import os
import sys
from pathlib import Path

os.execv(sys.executable, [sys.executable, str(Path(__file__).with_name("run.py")), *sys.argv[1:]])
