"""Golden region properties of small shapes from scikit-image: python test/golden/shapes.py > test/golden/shapes.json"""

import json
import sys
import warnings

import numpy as np
import skimage
from skimage.measure import label, regionprops

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20261122)


def shapes():
    a = np.zeros((8, 8), np.uint8)
    a[1:7, 1:3] = 1
    a[5:7, 1:7] = 1
    yield "L-shape", a
    a = np.zeros((21, 21), np.uint8)
    y, x = np.mgrid[:21, :21]
    a[(y - 10) ** 2 + (x - 10) ** 2 <= 81] = 1
    yield "disk", a
    yield "diagonal", np.eye(6, dtype=np.uint8)
    yield "square", np.ones((5, 5), np.uint8)
    yield "one pixel", np.ones((1, 1), np.uint8)
    yield "row", np.ones((1, 7), np.uint8)
    yield "column", np.ones((7, 1), np.uint8)
    a = np.zeros((9, 9), np.uint8)
    a[0, 0] = a[8, 8] = 1
    yield "two corners", a
    a = np.zeros((9, 30), np.uint8)
    a[1:4, 2:9] = 1
    a[6:8, 20:29] = 1
    yield "two blobs", a
    a = np.zeros((15, 15), np.uint8)
    a[2:13, 2:13] = 1
    a[5:10, 5:10] = 0
    yield "ring", a
    a = np.zeros((16, 11), np.uint8)
    for i in range(16):
        a[i, i // 2 : i // 2 + 2] = 1
    yield "steep band", a
    for k in range(40):
        h, w = rng.integers(1, 24, 2)
        a = (rng.random((h, w)) < rng.choice([0.05, 0.3, 0.7])).astype(np.uint8)
        a[rng.integers(h), rng.integers(w)] = 1
        yield f"random {k}", a


out = []
for name, a in shapes():
    (r,) = regionprops(a)
    out.append(
        dict(
            name=name,
            rows=["".join("#" if v else "." for v in row) for row in a],
            area=int(r.area),
            convexArea=int(r.area_convex),
            solidity=float(r.solidity),
            eccentricity=float(r.eccentricity),
        )
    )
volumes = []
for k in range(6):
    size = [int(v) for v in rng.integers(2, 9, 3)]
    a = (rng.random(size) < [0.15, 0.3, 0.5][k % 3]).astype(np.uint8)
    volumes.append(
        dict(
            size=size[::-1],
            mask="".join(map(str, a.ravel())),
            counts={
                str(c): int(label(a, connectivity=n).max()) for n, c in ((1, 6), (2, 18), (3, 26))
            },
            labels=label(a).ravel().tolist(),
        )
    )
json.dump(
    dict(reference=f"scikit-image {skimage.__version__}", shapes=out, volumes=volumes),
    sys.stdout,
    separators=(",", ":"),
)
