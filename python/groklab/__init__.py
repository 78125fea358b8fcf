"""The groklab program from Python: results as data frames, and the diagnostics for arrays and PyTorch models."""

from ._capture import Captured, Moments, capture
from ._probe import ProbeResult, probe
from ._program import GroklabError, program
from ._read import Study, read

__all__ = [
    "Captured",
    "GroklabError",
    "Moments",
    "ProbeResult",
    "Study",
    "capture",
    "probe",
    "program",
    "read",
]
