"""Golden values of the shape operators from scipy and scikit-image: python test/golden/operators.py > test/golden/operators.json

Masks are hex strings of bits, x fastest (the first voxel is the lowest bit of the first byte); sizes and voxel sizes are x, y, z.
"""

import json
import sys

import numpy as np
import scipy
import skimage
from scipy import ndimage as ndi
from skimage.measure import euler_number
from skimage.morphology import skeletonize
from skimage.segmentation import watershed

rng = np.random.default_rng(20261122)
BLOCK = np.ones((3, 3, 3))


def bits(a):
    return np.packbits(np.asarray(a, bool).ravel(), bitorder="little").tobytes().hex()


def digits(a):
    return [float(f"{value:.10g}") for value in a.ravel()]


def size(a):
    return [int(n) for n in a.shape[::-1]]


def blobs(shape, sigma, fraction):
    field = ndi.gaussian_filter(rng.standard_normal(shape), sigma)
    return field > np.quantile(field, 1 - fraction)


def grid(shape):
    return np.mgrid[tuple(slice(0, n) for n in shape)]


def shapes():
    """Named 3-D masks, z y x."""
    z, y, x = grid((15, 17, 19))
    r2 = (x - 9) ** 2 + (y - 8) ** 2 + (z - 7) ** 2
    yield "ball", r2 <= 42
    yield "shell", (r2 <= 42) & (r2 >= 17)
    yield "torus", (np.hypot(x - 9, y - 8) - 5) ** 2 + (z - 7) ** 2 <= 5
    yield "tilted bar", np.abs(x - 9 - (z - 7) * 1.1) + np.abs(y - 8 - (z - 7) * 0.6) <= 3.5
    z, y, x = grid((12, 22, 30))
    bar = np.zeros(z.shape, bool)
    bar[4:8, 9:13, 2:28] = True
    bar[4:8, 3:19, 12:16] = True
    yield "cross", bar
    a = np.zeros((4, 5, 6), bool)
    a[2, 2, 3] = True
    yield "one voxel", a
    yield "full", np.ones((4, 5, 6), bool)
    yield "cube of two", np.pad(np.ones((2, 2, 2), bool), 1)
    yield "line", np.pad(np.ones((1, 1, 9), bool), 1)
    yield "plate", np.ones((1, 9, 13), bool)
    a = np.ones((1, 11, 12), bool)
    a[0, 4:7, 5:8] = False
    yield "flat ring", a
    yield "diagonal", np.eye(7, dtype=bool)[None]
    for n in range(12):
        yield f"blobs {n}", blobs(rng.integers(9, 22, 3), rng.choice([1.0, 1.5, 2.5]), rng.choice([0.3, 0.5]))
    for n in range(4):
        yield f"flat blobs {n}", blobs((1, *rng.integers(12, 30, 2)), 1.5, 0.5)
    for n in range(6):
        yield f"noise {n}", rng.random(rng.integers(3, 12, 3)) < rng.choice([0.15, 0.4, 0.7])


def skeletons():
    for name, a in shapes():
        s = skeletonize(a, method="lee") > 0
        kept = (
            euler_number(a, connectivity=3) == euler_number(s, connectivity=3)
            and ndi.label(a, BLOCK)[1] == ndi.label(s, BLOCK)[1]
        )
        yield dict(
            name=name,
            size=size(a),
            mask=bits(a),
            euler={"26": int(euler_number(a, connectivity=3)), "6": int(euler_number(a, connectivity=1))},
            # Euler number of the first slice across y as a 2-D region
            flat={
                "8": int(euler_number(a[:, 0, :], connectivity=2)),
                "4": int(euler_number(a[:, 0, :], connectivity=1)),
            },
            components=int(ndi.label(a, BLOCK)[1]),
            skeleton=bits(s),
            topologyKept=bool(kept),
            filled=bits(ndi.binary_fill_holes(a)),
            filledSlices=[
                bits(
                    np.moveaxis(
                        np.stack([ndi.binary_fill_holes(q) for q in np.moveaxis(a, 2 - axis, 0)]), 0, 2 - axis
                    )
                )
                for axis in range(3)
            ],
        )


def distances():
    for voxel in [(1, 1, 1), (4.6, 4.6, 50), (6, 6, 30), (2.5, 1, 3)]:
        for shape in [(5, 6, 9), (1, 8, 12)]:
            a = blobs(shape, 1, 0.75)
            sampling = voxel[::-1]
            yield dict(
                size=size(a),
                voxelSize=voxel,
                mask=bits(a),
                ignored=digits(ndi.distance_transform_edt(a, sampling=sampling)),
                background=digits(
                    ndi.distance_transform_edt(np.pad(a, 1), sampling=sampling)[1:-1, 1:-1, 1:-1]
                ),
            )


def floods():
    """Four markers on landscapes without ties, two where values are equal: scikit-image leaves the order of more markers open."""
    for n in range(16):
        shape = rng.integers(3, 9, 3) if n % 4 else np.array([1, *rng.integers(6, 14, 2)])
        mask = blobs(shape, 0.7, 0.8)
        ties = n % 2 == 1
        land = rng.integers(0, 8, mask.size) if ties else rng.permutation(mask.size)
        places = np.flatnonzero(mask)
        markers = np.zeros(mask.size, np.int32)
        for i, place in enumerate(rng.choice(places, 2 if ties else 4, replace=False)):
            markers[place] = 10 * i + 3
        m, g = markers.reshape(shape), land.astype(np.float32).reshape(shape)
        yield dict(
            size=[int(v) for v in shape[::-1]],
            mask=bits(mask),
            ties=ties,
            landscape=land.tolist(),
            markers=markers.tolist(),
            labels={
                str(c): watershed(g, m, connectivity=k, mask=mask).ravel().tolist()
                for k, c in [(1, 6), (2, 18), (3, 26)]
            },
        )


json.dump(
    dict(
        reference=f"scipy {scipy.__version__}, scikit-image {skimage.__version__}",
        shapes=list(skeletons()),
        distances=list(distances()),
        floods=list(floods()),
    ),
    sys.stdout,
    separators=(",", ":"),
)
