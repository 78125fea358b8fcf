"""The module against NumPy and the program's own files: python -m unittest discover python/tests

Needs NumPy, Polars and pandas; `with_torch.py` holds what needs PyTorch.
"""

import csv
import math
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import groklab
import numpy as np

TINY = """
title = "a tiny study"
tasks = ["add"]
train_fractions = [0.05]
seeds = [0, 1]
[set]
"train.max_epochs" = 5
"probe.every" = 2
"model.d_model" = 16
"model.d_mlp" = 16
"""


class Read(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.root = Path(cls.directory.name)
        (cls.root / "tiny.toml").write_text(TINY)
        subprocess.run([groklab.program(), "sweep", "tiny.toml"], cwd=cls.root, check=True, capture_output=True)
        cls.results = cls.root / "results" / "tiny"

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def test_frames_hold_what_the_runs_hold(self):
        study = groklab.read(self.results, frames="polars")
        self.assertEqual(study.runs.height, 2)
        self.assertEqual(set(study.runs["experiment"]), {"tiny"})
        self.assertEqual(set(study.runs["state"]), {"finished"})
        self.assertEqual(set(study.runs["model.d_model"]), {16})
        for run in study.runs["run"]:
            with open(self.results / run / "metrics.csv") as file:
                own = [float(row["lar"]) for row in csv.DictReader(file)]
            rows = study.metrics.filter(study.metrics["run"] == run).sort("epoch")
            # the end, epoch 5, is no multiple of two and has a file of its own
            self.assertEqual(rows["epoch"].to_list()[-1], 5)
            self.assertEqual(rows["lar"].to_list()[:-1], own)
            self.assertEqual(len(own), rows.height - 1)
        self.assertEqual(set(study.spectra["checkpoint"]), {"initial", "final"})

    def test_another_budget_is_heeded_and_pandas_gives_the_same(self):
        study = groklab.read(self.root / "results", max_epochs=2, frames="pandas")
        self.assertEqual(study.metrics["epoch"].max(), 2)
        polars = groklab.read(self.results, max_epochs=2, frames="polars")
        self.assertEqual(study.metrics["lar"].tolist(), polars.metrics["lar"].to_list())

    def test_what_is_not_there_is_said(self):
        with self.assertRaisesRegex(groklab.GroklabError, "nowhere"):
            groklab.read("nowhere")
        with self.assertRaisesRegex(ValueError, "frames"):
            groklab.read(self.results, frames="arrow")


class Probe(unittest.TestCase):
    def test_numbers_are_those_of_numpy(self):
        rng = np.random.default_rng(0)
        w, x = rng.normal(size=(30, 12)), rng.normal(size=(4, 50, 12))
        found = groklab.probe(w, x)
        rows = x.reshape(-1, 12)
        share = np.sum((rows @ w.T) ** 2) / (np.sum(rows**2) * np.sum(w**2))
        self.assertAlmostEqual(found["lar"], 1 + 0.5 * math.log(share) / math.log(12), places=12)
        s = np.linalg.svd(w, compute_uv=False)
        self.assertAlmostEqual(found["stable_rank"], np.sum(s**2) / s[0] ** 2, places=10)
        alone = groklab.probe(w)
        self.assertAlmostEqual(alone["stable_rank"], found["stable_rank"], places=10)
        self.assertAlmostEqual(alone["spectral_norm"], s[0], places=10)

    def test_outputs_are_not_taken_for_inputs(self):
        with self.assertRaisesRegex(ValueError, "not inputs"):
            groklab.probe(np.ones((3, 4)), np.ones((5, 3)))
        with self.assertRaisesRegex(ValueError, "1 dimensions"):
            groklab.probe(np.ones(3))
        with self.assertRaisesRegex(groklab.GroklabError, "NaN at"):
            groklab.probe(np.full((3, 4), np.nan), np.ones((5, 4)))


class Sums(unittest.TestCase):
    def test_moments_are_those_of_all_rows(self):
        rng = np.random.default_rng(1)
        x, w = rng.normal(size=(60, 7)) + 0.5, rng.normal(size=(5, 7))
        moments = groklab.Moments(7)
        for part in np.array_split(x, 4):
            moments.add(part.astype(np.float32))
        self.assertEqual(moments.rows, 60)
        np.testing.assert_allclose(moments.covariance(), np.cov(x.T, bias=True), atol=1e-6)
        self.assertAlmostEqual(moments.lar(w), groklab.probe(w, x)["lar"], places=6)


class Program(unittest.TestCase):
    def test_the_one_named_is_run(self):
        before = os.environ.get("GROKLAB")
        try:
            os.environ["GROKLAB"] = "/nowhere/groklab"
            self.assertEqual(groklab.program(), Path("/nowhere/groklab"))
        finally:
            del os.environ["GROKLAB"]
            if before is not None:
                os.environ["GROKLAB"] = before


if __name__ == "__main__":
    unittest.main()
