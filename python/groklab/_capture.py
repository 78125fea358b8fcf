"""What the layers of a PyTorch model read, kept while it runs."""

from __future__ import annotations

import math
from typing import Any, Dict, Iterable, List, Optional, Union

import numpy as np

from ._probe import ProbeResult, probe
from ._program import PathLike


class Moments:
    """Sums over the rows of X, in f64: number of rows, sum, and XᵀX."""

    def __init__(self, width: int) -> None:
        self.rows = 0
        self.sum = np.zeros(width)
        self.gram = np.zeros((width, width))

    def add(self, x: "np.ndarray[Any, Any]") -> None:
        """Rows of X, (n, width)."""
        x = x.astype(np.float64, copy=False)
        self.rows += len(x)
        self.sum += x.sum(axis=0)
        self.gram += x.T @ x

    @property
    def mean(self) -> "np.ndarray[Any, Any]":
        """Mean row."""
        return self.sum / self.rows

    def covariance(self) -> "np.ndarray[Any, Any]":
        """Centred, divided by the number of rows."""
        return self.gram / self.rows - np.outer(self.mean, self.mean)

    def lar(self, weights: Any) -> float:
        """Log-alignment ratio of W, (outputs, inputs), with these inputs: 1 + ½·log_n(‖XWᵀ‖² / (‖X‖²‖W‖²)), n inputs."""
        w = np.asarray(weights.detach().double().cpu() if hasattr(weights, "detach") else weights, dtype=np.float64)
        energy = float(np.einsum("oi,ij,oj->", w, self.gram, w, optimize=True))
        return 1 + 0.5 * math.log(energy / (np.trace(self.gram) * (w * w).sum())) / math.log(w.shape[1])


class Captured:
    """The inputs of some layers. A context manager: hooks are taken away at its end."""

    def __init__(self, model: Any, layers: Optional[Iterable[str]] = None, *, gram: bool = False) -> None:
        import torch

        modules = dict(model.named_modules())
        if layers is None:
            layers = [name for name, module in modules.items() if isinstance(module, torch.nn.Linear)]
        self.layers: List[str] = list(layers)
        for name in self.layers:
            if name not in modules:
                raise KeyError(f"the model has no layer {name!r}; it has {', '.join(filter(None, modules))}")
        self._gram = gram
        self._kept: Dict[str, Union[List[Any], Moments]] = {}
        self._weights = {name: getattr(modules[name], "weight", None) for name in self.layers}
        self._hooks = [modules[name].register_forward_pre_hook(self._hook(name)) for name in self.layers]

    def _hook(self, name: str) -> Any:
        def keep(_module: Any, inputs: Any) -> None:
            x = inputs[0].detach()
            x = x.reshape(-1, x.shape[-1])
            if self._gram:
                moments = self._kept.setdefault(name, Moments(x.shape[-1]))
                assert isinstance(moments, Moments)
                moments.add(x.double().cpu().numpy())
            else:
                rows = self._kept.setdefault(name, [])
                assert isinstance(rows, list)
                rows.append(x.cpu())

        return keep

    def close(self) -> None:
        """Takes the hooks away; what was kept stays."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def __enter__(self) -> "Captured":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> Any:
        """The inputs of a layer: a tensor (rows, width), or [`Moments`] with `gram`."""
        if name not in self._kept:
            why = "it has not run yet" if name in self.layers else "it was not asked for"
            raise KeyError(f"nothing was kept of {name!r}: {why}")
        kept = self._kept[name]
        if isinstance(kept, Moments):
            return kept
        import torch

        return torch.cat(kept)

    def probe(self, name: str) -> ProbeResult:
        """The diagnostics of a layer's weight with what it read."""
        kept = self[name]
        if isinstance(kept, Moments):
            raise TypeError("gram=True keeps sums: use captured[name].lar(weight) and .covariance(), or capture without it")
        return probe(self._weight(name), kept)

    def _weight(self, name: str) -> Any:
        weight = self._weights[name]
        if weight is None or weight.dim() != 2:
            raise TypeError(f"layer {name!r} has no weight matrix")
        return weight

    def save(self, weights: PathLike, activations: PathLike) -> None:
        """Writes both as safetensors with the names that `groklab probe --all` matches (needs the package safetensors)."""
        from safetensors.torch import save_file

        if self._gram:
            raise TypeError("gram=True keeps sums, not the activations that a file would hold")
        matrices = {f"{name}.weight": self._weight(name).detach().cpu().contiguous() for name in self.layers}
        save_file(matrices, str(weights))
        save_file({name: self[name].contiguous() for name in self._kept}, str(activations))


def capture(model: Any, layers: Optional[Iterable[str]] = None, *, gram: bool = False) -> Captured:
    """Keeps what the named layers of a PyTorch model read (all `Linear` layers without names), by hooks before them.

    With `gram`, sums of (width, width) a layer instead of the rows, in f64.
    """
    return Captured(model, layers, gram=gram)
