"""Results as data frames."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional

from ._program import PathLike, run


@dataclass(frozen=True)
class Study:
    """The tables of an experiment, or of several, told apart by the column `experiment`."""

    runs: Any
    """A row a run: how it ended, when it met which milestone, its recipe by dotted key."""
    metrics: Any
    """A row an evaluation."""
    spectra: Any
    """A row a direction of each checkpoint."""
    diagnostics: Optional[Any]
    """A row an evaluation, where runs record diagnostics."""


def read(
    directory: PathLike,
    *,
    max_epochs: Optional[int] = None,
    patience: Optional[int] = None,
    frames: Optional[str] = None,
) -> Study:
    """The runs of an experiment (results/NAME), of a directory of experiments, or one run.

    The runs of the plan count, each as far as the planned budget goes; `max_epochs` and `patience` look at another budget.
    `frames` is "polars" or "pandas"; without it the first of the two that is installed.
    """
    library = _library(frames)
    with tempfile.TemporaryDirectory() as out:
        command: List[PathLike] = ["export", "tables", Path(directory), "--out", out]
        if max_epochs is not None:
            command += ["--max-epochs", str(max_epochs)]
        if patience is not None:
            command += ["--patience", str(patience)]
        run(command)
        experiments = sorted(path for path in Path(out).iterdir() if path.is_dir())

        def table(name: str) -> Optional[Any]:
            files = [(path.name, path / f"{name}.csv") for path in experiments]
            return _table(library, [(experiment, file) for experiment, file in files if file.exists()])

        return Study(table("runs"), table("metrics"), table("spectra"), table("diagnostics"))


def _library(frames: Optional[str]) -> str:
    known = ("polars", "pandas")
    if frames is not None and frames not in known:
        raise ValueError(f"frames = {frames!r}: must be one of {known}")
    for name in [frames] if frames else known:
        if importlib.util.find_spec(name):
            return name
    raise ImportError(f"groklab.read needs {frames or 'polars or pandas'}: pip install {frames or 'polars'}")


def _table(library: str, files: list[tuple[str, Path]]) -> Optional[Any]:
    if not files:
        return None
    if library == "polars":
        import polars as pl

        # all rows are looked at: a column of counts may hold its first fraction late
        parts = [
            pl.read_csv(file, infer_schema_length=None).select(pl.lit(name).alias("experiment"), pl.all())
            for name, file in files
        ]
        return pl.concat(parts, how="diagonal_relaxed")
    import pandas as pd

    parts = []
    for name, file in files:
        part = pd.read_csv(file)
        part.insert(0, "experiment", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
