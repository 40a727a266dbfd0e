"""The rivals of bench/objects.ts: python objects_python.py <folder>; reads task names on stdin, prints a JSON line each."""

import json
import sys
import time
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.measure import label, regionprops_table

folder = Path(sys.argv[1])
volumes = {}
for name, (sx, sy, sz) in json.loads((folder / "sizes.json").read_text()).items():
    volumes[name] = np.fromfile(folder / name, np.uint8).reshape(sz, sy, sx)
# The EM of a chunk; the tests' rival makes the same.
em = (np.arange(8 * 256 * 256).reshape(8, 256, 256) * 7919 % 251).astype(np.uint8)
FULL = np.ones((3, 3, 3), np.uint8)


def regions(labels):
    n, total = 0, 0.0
    for section in labels:
        table = regionprops_table(section, properties=("area", "solidity", "eccentricity"))
        keep = table["area"] > 10
        n += int(keep.sum())
        total += float(table["solidity"][keep].sum())
    return dict(count=n, solidity=total / n if n else 0)


SUMS = (
    "area",
    "bbox",
    "centroid",
    "axis_major_length",
    "axis_minor_length",
    "equivalent_diameter_area",
    "extent",
    "intensity_mean",
    "intensity_std",
)


def metrics(labels):
    table = regionprops_table(labels, intensity_image=em, properties=SUMS)
    result = regions(labels)
    return dict(result, count=len(table["area"]), intensity=float(table["intensity_mean"].mean()))


def run(task, volume):
    if task == "scipy":
        labels, count = ndimage.label(volume, FULL)
        return dict(count=int(count))
    if task == "skimage":
        return dict(count=int(label(volume).max()))
    if task == "regions":
        return regions(labelled(volume))
    if task == "metrics":
        return metrics(labelled(volume))
    labels, count = ndimage.label(volume >= 128, FULL)
    return dict(regions(labels), count=int(count))


cache = {}


def labelled(volume):
    if id(volume) not in cache:
        cache[id(volume)] = label(volume if volume.max() == 1 else volume >= 128)
    return cache[id(volume)]


print("ready", flush=True)
for line in sys.stdin:
    task, name = line.split()
    if task in ("regions", "metrics"):
        labelled(volumes[name])
    start = time.perf_counter()
    result = run(task, volumes[name])
    print(json.dumps(dict(result, ms=1000 * (time.perf_counter() - start))), flush=True)
