"""Makes data/digits.bin from the copy of the UCI optical digits that scikit-learn ships (no download of its own).

    python -m venv /tmp/venv && /tmp/venv/bin/pip install scikit-learn==1.9.1
    /tmp/venv/bin/python scripts/digits.py data/digits.bin

Layout, little-endian: b"GLDIGIT1", u32 rows, u32 width, u32 classes, rows x width u8 pixels (0 to 16), rows u8 labels.
"""

import struct
import sys

from sklearn.datasets import load_digits

data, labels = load_digits(return_X_y=True)
pixels = data.astype("uint8")
assert pixels.shape == (1797, 64) and (pixels == data).all() and pixels.max() == 16
assert sorted(set(labels)) == list(range(10))
with open(sys.argv[1], "wb") as file:
    file.write(b"GLDIGIT1" + struct.pack("<III", *pixels.shape, 10))
    file.write(pixels.tobytes() + labels.astype("uint8").tobytes())
print(f"{pixels.shape[0]} rows, mean of x/16 {(data / 16).mean():.5f}, deviation {(data / 16).std():.5f}")
