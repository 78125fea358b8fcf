"""The diagnostics of a weight matrix and its inputs."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import numpy as np

from ._program import PathLike, run

Number = Union[float, int]
ProbeResult = Dict[str, Number]


def _array(x: Any, what: str) -> "np.ndarray[Any, Any]":
    """An array of a NumPy array, a tensor of PyTorch, or what NumPy takes."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        # NumPy has no bfloat16
        x = (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()
    array: "np.ndarray[Any, Any]" = np.asarray(x)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    if array.ndim < 2:
        raise ValueError(f"{what}: an array of {array.ndim} dimensions, expected 2 or more")
    return array


def probe(weights: Any, activations: Optional[Any] = None) -> ProbeResult:
    """LAR, k_pred, k95, ranks and the rest for W, (outputs, inputs), and its inputs X, (…, inputs); of W alone norms, ranks and
    the power law of its eigenvalues.

    What `groklab probe` gives as JSON, of W alone as CSV; what is not defined is NaN, or of W alone left out.
    """
    w = _array(weights, "weights")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        np.save(path / "w.npy", w)
        command: List[PathLike] = ["probe", "--json", "--layout", "out-in", "--weights", path / "w.npy"]
        if activations is None:
            [row] = csv.DictReader(run(["probe", "--csv", "--all", *command[2:]]).splitlines())
            return {key: number for key, text in row.items() if (number := _number(text)) is not None}
        x = _array(activations, "activations")
        if x.shape[-1] != w.shape[1]:
            raise ValueError(f"activations of width {x.shape[-1]} are not inputs of weights {w.shape}, (outputs, inputs)")
        np.save(path / "x.npy", x)
        found = json.loads(run([*command, "--activations", path / "x.npy"]))
        return _numbers(found["probe"])


def _numbers(found: Dict[str, Any]) -> ProbeResult:
    """Those of an object; null is NaN."""
    return {
        key: float("nan") if value is None else value
        for key, value in found.items()
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    }


def _number(text: str) -> Optional[float]:
    """Of a cell; none where it holds a name or nothing."""
    try:
        return float(text)
    except ValueError:
        return None
