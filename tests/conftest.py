"""Compiled modules are kept, whatever `PYTHONDONTWRITEBYTECODE` says: compiling anew is over half of collecting."""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # for the workers, and for what they start
