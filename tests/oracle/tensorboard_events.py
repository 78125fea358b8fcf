"""Oracle of crates/groklab-cli/src/render/tensorboard.rs, with TensorBoard's own writer and reader (pip install tensorboard).

Without arguments: writes tensorboard_events.json, some events and the bytes TensorBoard writes for them.
With RESULTS EXPORT: reads back what `groklab export tensorboard RESULTS --out EXPORT` wrote for the experiment
directory RESULTS, checksums included, and compares every scalar with metrics.csv.
"""

import csv
import io
import json
import math
import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def write():
    events = [
        [0, [["lar", 0.5], ["train_loss", 4.5625]]],
        [10, [["lar", 0.375], ["zero_loss_share", 0.0]]],
        [500_000, [["epoch", 50_000.0], ["weight_norm", -1.0e-30]]],
    ]
    out = io.BytesIO()
    out.close, keep = (lambda: None), out.close
    writer = RecordWriter(out)
    writer.write(Event(file_version="brain.Event:2").SerializeToString())
    for step, scalars in events:
        values = [Summary.Value(tag=tag, simple_value=number) for tag, number in scalars]
        writer.write(Event(step=step, summary=Summary(value=values)).SerializeToString())
    writer.flush()
    record = {"events": events, "bytes": list(out.getvalue())}
    keep()
    pathlib.Path(__file__).with_name("tensorboard_events.json").write_text(json.dumps(record) + "\n")


def compare(results, export):
    scalars = runs = 0
    for table in sorted(pathlib.Path(results).glob("*/metrics.csv")):
        run = table.parent.name
        read = EventAccumulator(str(pathlib.Path(export) / pathlib.Path(results).name / run)).Reload()
        rows = list(csv.DictReader(table.open()))
        no_scalars = {"run", "task", "train_fraction", "seed", "split_seed", "step"}
        tags = set(rows[0]) - no_scalars
        assert set(read.Tags()["scalars"]) == tags, (run, tags ^ set(read.Tags()["scalars"]))
        for tag in tags:
            written = read.Scalars(tag)
            assert [e.step for e in written] == [int(row["step"]) for row in rows], (run, tag)
            for event, row in zip(written, rows, strict=True):
                (expected,) = struct.unpack("f", struct.pack("f", float(row[tag])))
                same = event.value == expected or (math.isnan(event.value) and math.isnan(expected))
                assert same, (run, tag, event, expected)
                scalars += 1
        runs += 1
    assert runs
    print(f"{scalars} scalars of {runs} runs are those of metrics.csv")


if len(sys.argv) == 1:
    write()
else:
    compare(*sys.argv[1:])
