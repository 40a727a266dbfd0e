"""Surface areas by scikit-image 0.26: python test/golden/surface.py > test/golden/surface.json"""

import base64
import json

import numpy as np
from scipy import ndimage
from skimage.measure import marching_cubes, mesh_surface_area

rng = np.random.default_rng(11)
z, y, x = np.mgrid[:22, :22, :22] - 10.5


def smooth_noise(sigma):
    field = ndimage.gaussian_filter(rng.standard_normal((22, 22, 22)), sigma)
    return field > np.quantile(field, 0.7)


shapes = {
    "one voxel": np.ones((1, 1, 1), bool),
    "line of 7": np.ones((1, 1, 7), bool),
    "plate of 5 x 4": np.ones((1, 4, 5), bool),
    "cube of 6": np.ones((6, 6, 6), bool),
    "two voxels over an edge": np.eye(2, dtype=bool)[None],
    "ball of radius 4": x**2 + y**2 + z**2 <= 16,
    "ball of radius 9.5": x**2 + y**2 + z**2 <= 90.25,
    "ellipsoid": (x / 9.7) ** 2 + (y / 5.2) ** 2 + (z / 3.1) ** 2 <= 1,
    "torus": (np.hypot(x, y) - 6.3) ** 2 + z**2 <= 9,
    "shell": np.abs(np.sqrt(x**2 + y**2 + z**2) - 7) <= 1.6,
    "cylinder aslant": np.hypot(x - 0.4 * z, y + 0.2 * z) <= 4,
}
for index in range(8):
    shapes[f"smooth noise {index}"] = smooth_noise(2.5)
for index in range(3):
    shapes[f"rough noise {index}"] = smooth_noise(1.0)


def area(mask, spacing):
    verts, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, spacing=spacing)
    return float(mesh_surface_area(verts.astype(np.float64), faces))


SPACINGS = [(1, 1, 1), (5, 5, 5), (4.6, 4.6, 50)]
out = {"reference": "scikit-image 0.26: marching_cubes(pad(mask, 1), 0.5, spacing), mesh_surface_area", "spacings": SPACINGS}
out["shapes"] = [
    {
        "name": name,
        "size": list(mask.shape[::-1]),
        "bits": base64.b64encode(np.packbits(mask.ravel(), bitorder="little").tobytes()).decode(),
        "areas": [area(mask, spacing[::-1]) for spacing in SPACINGS],
    }
    for name, mask in shapes.items()
]
corners = []
for case in range(1, 255):
    cube = np.array([case >> corner & 1 for corner in range(8)], np.float32).reshape(2, 2, 2)
    verts, faces, _, _ = marching_cubes(cube, 0.5, spacing=(4, 1.5, 1))
    corners.append(float(mesh_surface_area(verts.astype(np.float64), faces)))
out["cubes"] = {"spacing": [1, 1.5, 4], "areas": corners}
print(json.dumps(out))
