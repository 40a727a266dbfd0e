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
FULL = np.ones((3, 3, 3), np.uint8)


def regions(labels):
    n, total = 0, 0.0
    for section in labels:
        table = regionprops_table(section, properties=("area", "solidity", "eccentricity"))
        keep = table["area"] > 10
        n += int(keep.sum())
        total += float(table["solidity"][keep].sum())
    return dict(count=n, solidity=total / n if n else 0)


def run(task, volume):
    if task == "scipy":
        labels, count = ndimage.label(volume, FULL)
        return dict(count=int(count))
    if task == "skimage":
        return dict(count=int(label(volume).max()))
    if task == "regions":
        return regions(labelled(volume))
    labels, count = ndimage.label(volume >= 128, FULL)
    return dict(regions(labels), count=int(count))


cache = {}


def labelled(volume):
    if id(volume) not in cache:
        cache[id(volume)] = label(volume)
    return cache[id(volume)]


print("ready", flush=True)
for line in sys.stdin:
    task, name = line.split()
    if task == "regions":
        labelled(volumes[name])
    start = time.perf_counter()
    result = run(task, volumes[name])
    print(json.dumps(dict(result, ms=1000 * (time.perf_counter() - start))), flush=True)
