"""The program: where it is, and running it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Sequence, Union

PathLike = Union[str, "os.PathLike[str]"]


class GroklabError(RuntimeError):
    """The program refused or failed; the message is its own."""


def program() -> Path:
    """The `groklab` that is run: $GROKLAB, the one installed beside this module, or the first on the PATH."""
    named = os.environ.get("GROKLAB")
    if named:
        return Path(named)
    name = "groklab.exe" if sys.platform == "win32" else "groklab"
    beside = Path(sysconfig.get_path("scripts")) / name
    if beside.is_file():
        return beside
    found = shutil.which(name)
    if found is None:
        raise GroklabError("no groklab program: install the wheel, put it on the PATH, or set GROKLAB to its path")
    return Path(found)


def run(arguments: Sequence[PathLike]) -> str:
    """What the program prints on standard output."""
    command = [str(program()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    if done.returncode:
        raise GroklabError(done.stderr.strip() or f"{command[0]} ended with code {done.returncode}")
    return done.stdout
