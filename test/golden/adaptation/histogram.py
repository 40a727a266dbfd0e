"""Golden values of histogram matching: numpy, following the description of the authors' notebook (see
src/adaptation/histogram.ts). Run with numpy: python histogram.py > histogram.json"""

import json

import numpy as np


def template(pixels):
    bins, _ = np.histogram(pixels, bins=np.arange(256))
    bins = bins.astype(np.float64)
    slope, offset = np.polyfit([1, 2], bins[1:3], 1)
    bins[0] = max(0, round(offset))
    return np.cumsum(bins) / bins.sum()


def match(image, tmpl):
    values, inverse, counts = np.unique(image.ravel(), return_inverse=True, return_counts=True)
    counts = counts.astype(np.float64)
    size = float(image.size)
    if values[0] == 0:
        if list(values[:3]) == [0, 1, 2]:
            zero = max(0, 2 * counts[1] - counts[2])
        else:
            zero = 1 if len(values) == 1 else 0
        size = size - counts[0] + zero
        counts[0] = zero
    out = np.interp(np.cumsum(counts) / size, tmpl, np.arange(len(tmpl)))
    if values[0] == 0:
        out[0] = 0
    return out[inverse].reshape(image.shape)


rng = np.random.default_rng(7)
bell = lambda mean, sd, n: np.clip(np.round(rng.normal(mean, sd, n)), 0, 255).astype(np.uint8)
target = np.concatenate([bell(90, 40, 700), np.zeros(100, np.uint8), np.full(20, 255, np.uint8)])
images = {
    "bright, no zeros": np.maximum(bell(170, 30, 300), 1),
    "padded, with 1 and 2": np.concatenate([bell(20, 15, 250), np.zeros(60, np.uint8), [1, 1, 2]]).astype(np.uint8),
    "padded, without 2": np.concatenate([bell(160, 20, 200), np.zeros(40, np.uint8), [1]]).astype(np.uint8),
    "black": np.zeros(50, np.uint8),
    "one value": np.full(50, 77, np.uint8),
    "to the ends": np.arange(256).astype(np.uint8),
}
sparse = np.repeat([30, 100, 101, 254, 255], [5, 50, 1, 7, 9]).astype(np.uint8)
print(
    json.dumps(
        {
            "templates": {"bell": target.tolist(), "sparse": sparse.tolist()},
            "images": {name: image.tolist() for name, image in images.items()},
            "matched": {
                t: {name: match(image, template(pixels)).tolist() for name, image in images.items()}
                for t, pixels in {"bell": target, "sparse": sparse}.items()
            },
        }
    )
)
