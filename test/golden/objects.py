"""Golden measures of regions and objects from scikit-image.

python test/golden/objects.py > test/golden/objects.json                      shapes made here
python test/golden/objects.py ../shared/data > test/golden/objects_real.json   numbers only, of the real masks there

Masks are run lengths of 0, 1, 0, ... in C order (x fastest). null: scikit-image has no value, or one by rounding noise.
"""

import json
import sys
import warnings
from math import atan2, degrees, hypot, pi, sqrt
from pathlib import Path

import numpy as np
import skimage
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import label, marching_cubes, mesh_surface_area, regionprops

warnings.filterwarnings("ignore")
rng = np.random.default_rng(4)


def number(value):
    return None if value is None else float(f"{value:.11g}")


def runs(mask):
    flat = np.concatenate([[0], mask.ravel().astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], edges])).tolist()


def feret(region, spacing):
    """feret_diameter_max, with the hull's corners instead of all points of the surface where there are many."""
    if region.image_convex.ndim == 2 or region.image_convex.size < 20000:
        return region.feret_diameter_max
    points, _, _, _ = marching_cubes(np.pad(region.image_convex, 2).astype(np.uint8), level=0.5)
    points = points * spacing
    return pdist(points[ConvexHull(points).vertices]).max()


def section(mask, spacing):
    """mask[row, column], spacing of rows and columns."""
    (r,) = regionprops(mask.astype(np.uint8), spacing=spacing)
    xx, xy, yy = r.inertia_tensor[0, 0], -r.inertia_tensor[0, 1], r.inertia_tensor[1, 1]
    round_ = hypot(xx - yy, 2 * xy) < 1e-9 * max(xx + yy, 1e-30)
    square = spacing[0] == spacing[1]
    perimeter = r.perimeter if square else None
    return dict(
        pixels=int(r.num_pixels),
        area=number(r.area),
        solidity=number(r.solidity),
        eccentricity=number(r.eccentricity),
        majorAxis=number(r.axis_major_length),
        minorAxis=number(r.axis_minor_length),
        orientation=None if round_ else number(degrees(r.orientation)),
        perimeter=number(perimeter),
        circularity=None
        if not square
        else number(1 if perimeter == 0 else min(1, 4 * pi * r.area / perimeter**2)),
        extent=number(r.extent),
        equivalentDiameter=number(r.equivalent_diameter_area),
        feretDiameter=number(feret(r, spacing)),
        eulerNumber=int(r.euler_number),
        centroid=[number(c / s + 0.5) for c, s in zip(r.centroid[::-1], spacing[::-1])],
        box=[int(r.bbox[i]) for i in (1, 0, 3, 2)],
    )


def sections(mask, spacing):
    shapes = [section(s, spacing[1:]) for s in mask if s.any()]
    large = [s for s in shapes if s["pixels"] > 10] or shapes

    def mean(name):
        values = [s[name] for s in large]
        return None if None in values else number(np.mean(values))

    return dict(
        sections=len(shapes),
        sectionSolidity=mean("solidity"),
        sectionEccentricity=mean("eccentricity"),
        sectionArea=mean("area"),
        sectionCircularity=mean("circularity"),
    )


def direction(covariance):
    """Azimuth and inclination of the longest axis in degrees, covariance in the order x, y, z."""
    values, vectors = np.linalg.eigh(covariance)
    if sqrt(max(values[2], 0)) - sqrt(max(values[1], 0)) < 1e-6 * sqrt(max(values[2], 1e-30)):
        return None, None
    x, y, z = np.where(np.abs(vectors[:, 2]) < 1e-9, 0, vectors[:, 2])
    if (z or y or x) < 0:
        x, y, z = -x, -y, -z
    return degrees(atan2(y, x)) % 360, degrees(atan2(z, hypot(x, y)))


def solid(mask, spacing, em=None):
    """mask[z, y, x]; spacing and results in that order, too, but for centroid, box and directions."""
    (r,) = regionprops(mask.astype(np.uint8), intensity_image=em, spacing=spacing)
    inertia = r.inertia_tensor_eigvals
    moments = r.inertia_tensor
    covariance = (np.trace(moments) / 2 * np.eye(3) - moments)[::-1, ::-1]
    azimuth, inclination = direction(covariance)
    axes = [sqrt(max(0, 10 * v)) for v in (
        inertia[0] + inertia[1] - inertia[2],
        inertia[0] - inertia[1] + inertia[2],
        -inertia[0] + inertia[1] + inertia[2],
    )]
    convex = int(r.image_convex.sum())
    vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.uint8), 0.5, spacing=spacing)
    surface = mesh_surface_area(vertices, faces)
    sphericity = min(1, pi ** (1 / 3) * (6 * r.area) ** (2 / 3) / surface)
    out = dict(
        voxels=int(r.num_pixels),
        volume=number(r.area),
        centroid=[number(c / s + 0.5) for c, s in zip(r.centroid[::-1], spacing[::-1])],
        box=[int(r.bbox[i]) for i in (2, 1, 0, 5, 4, 3)],
        extent=number(r.extent),
        equivalentDiameter=number(r.equivalent_diameter_area),
        majorAxis=number(r.axis_major_length),
        middleAxis=number(axes[1]),
        minorAxis=number(r.axis_minor_length),
        azimuth=number(azimuth),
        inclination=number(inclination),
        radiusOfGyration=number(sqrt(max(0, np.trace(covariance)))),
        # scikit-image has no hull of flat objects.
        solidity=number(r.num_pixels / convex) if convex else None,
        feretDiameter=number(feret(r, spacing)) if convex else None,
        eulerNumber=int(r.euler_number),
        surfaceArea=number(surface),
        sphericity=number(sphericity),
        complexityIndex=number(9 / (4 * pi * sphericity**3)),
        **sections(mask, spacing),
    )
    if em is not None:
        out.update(intensityMean=number(r.intensity_mean), intensityDeviation=number(r.intensity_std))
    return out


def blob(size, share, smooth):
    field = ndimage.gaussian_filter(rng.random(size), smooth, mode="constant")
    mask = field > np.quantile(field, 1 - share)
    parts = label(mask)
    # One part as a rule; some objects of several, as sections are.
    if rng.random() < 0.7:
        mask = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return mask


def noise(size, share):
    mask = rng.random(size) < share
    mask[tuple(rng.integers(0, size))] = True
    return mask


def flat_shapes():
    yield "one pixel", np.ones((1, 1))
    yield "two pixels", np.ones((1, 2))
    yield "row", np.ones((1, 9))
    yield "column", np.ones((7, 1))
    yield "diagonal", np.eye(6)
    yield "square", np.ones((5, 5))
    yield "small square", np.ones((2, 2))
    yield "rectangle", np.ones((3, 11))
    y, x = np.mgrid[:21, :21]
    yield "disk", (y - 10) ** 2 + (x - 10) ** 2 <= 81
    yield "ring", ((y - 10) ** 2 + (x - 10) ** 2 <= 81) & ((y - 10) ** 2 + (x - 10) ** 2 > 20)
    yield "ellipse", (y - 10) ** 2 / 90 + (x - y) ** 2 / 20 <= 1
    ell = np.zeros((6, 6))
    ell[:, :2] = ell[4:] = 1
    yield "L", ell
    corners = np.zeros((9, 9))
    corners[0, 0] = corners[8, 8] = 1
    yield "two corners", corners
    plus = np.zeros((7, 7))
    plus[3] = plus[:, 3] = 1
    yield "plus", plus
    for k in range(90):
        size = rng.integers(6, 34, 2)
        yield f"blob {k}", blob(size, rng.uniform(0.1, 0.6), rng.uniform(0.8, 3))
    for k in range(46):
        yield f"noise {k}", noise(rng.integers(1, 16, 2), rng.choice([0.05, 0.3, 0.6, 0.9]))


def solid_shapes():
    yield "one voxel", np.ones((1, 1, 1))
    yield "line x", np.ones((1, 1, 8))
    yield "line y", np.ones((1, 8, 1))
    yield "line z", np.ones((8, 1, 1))
    yield "plate xy", np.ones((1, 4, 5))
    yield "plate xz", np.ones((4, 1, 5))
    yield "plate yz", np.ones((4, 5, 1))
    line = np.zeros((5, 5, 5))
    line[range(5), range(5), range(5)] = 1
    yield "diagonal line", line
    z, y, x = np.mgrid[:7, :7, :7]
    yield "oblique plate", z == y
    yield "steep plate", x + y + z == 9
    ell = np.zeros((1, 6, 6))
    ell[0, :, :2] = ell[0, 4:] = 1
    yield "flat L", ell
    yield "cube", np.ones((4, 4, 4))
    yield "box", np.ones((3, 5, 9))
    yield "two thick", np.ones((2, 2, 2))
    shell = np.ones((5, 5, 5))
    shell[2, 2, 2] = 0
    yield "hollow cube", shell
    z, y, x = np.mgrid[:17, :17, :17] - 8
    yield "ball", x**2 + y**2 + z**2 <= 64
    yield "ellipsoid", x**2 / 64 + y**2 / 30 + z**2 / 10 <= 1
    yield "torus", (np.hypot(x, y) - 5) ** 2 + z**2 <= 5
    yield "rod", (x - z) ** 2 + y**2 <= 6
    yield "two balls", (x**2 + y**2 + (z - 5) ** 2 <= 9) | (x**2 + y**2 + (z + 5) ** 2 <= 5)
    for k in range(110):
        size = rng.integers(5, 16, 3)
        yield f"blob {k}", blob(size, rng.uniform(0.1, 0.5), rng.uniform(0.8, 2))
    for k in range(40):
        yield f"noise {k}", noise(rng.integers(2, 8, 3), rng.choice([0.1, 0.3, 0.6, 0.9]))


def spacing_of(k, dimensions):
    choices = [(1, 1, 1), (5, 5, 5), (50, 4.6, 4.6), (30, 6, 6), (40, 4, 8)]
    return choices[k % len(choices)][3 - dimensions :]


def shapes():
    flat = []
    for k, (name, mask) in enumerate(flat_shapes()):
        mask = np.asarray(mask, bool)
        spacing = spacing_of(k, 2)
        flat.append(dict(name=name, size=mask.shape[::-1], spacing=spacing[::-1], runs=runs(mask), **section(mask, spacing)))
    solids = []
    for k, (name, mask) in enumerate(solid_shapes()):
        mask = np.asarray(mask, bool)
        spacing = spacing_of(k, 3)
        # A field that the tests can make themselves.
        i = np.arange(mask.size).reshape(mask.shape)
        em = (i * 7919 % 251).astype(np.uint8)
        solids.append(
            dict(name=name, size=mask.shape[::-1], spacing=spacing[::-1], runs=runs(mask), **solid(mask, spacing, em))
        )
    return dict(flat=flat, solid=solids)


def read(folder, pattern, numbers, columns):
    from skimage.io import imread

    slices = []
    for n in numbers:
        image = imread(next(p for p in (folder / (pattern % n), folder / (pattern % n)) if p.exists()))
        slices.append((image[..., 0] if image.ndim == 3 else image)[:, columns] > 0)
    return np.stack(slices)


def real(data):
    sets = [
        ("VNC", "VNC/stack1/mitochondria", "%02d.png", range(20), slice(0, 512), (45, 4.6, 4.6)),
        ("Lucchi++ test", "Lucchi++/Test_Out", "%d.png", range(60), slice(0, 1024), (5, 5, 5)),
    ]
    out = []
    for name, path, pattern, numbers, columns, spacing in sets:
        labels = label(read(Path(data) / path, pattern, numbers, columns))
        flat = []
        objects = []
        for region in regionprops(labels):
            mask = np.ascontiguousarray(region.image)
            slices = [z for z in range(len(mask)) if mask[z].any()]
            z = slices[len(slices) // 2]
            flat.append(dict(label=region.label, slice=z + region.bbox[0], **section(mask[z], spacing[1:])))
            if mask.size < 1.5e6:
                objects.append(dict(label=region.label, **solid(mask, spacing)))
                print(name, region.label, mask.shape, file=sys.stderr)
        out.append(
            dict(name=name, path=path, columns=[columns.start, columns.stop], spacing=spacing[::-1], flat=flat, solid=objects)
        )
    return dict(sets=out)


reference = dict(reference=f"scikit-image {skimage.__version__}")
result = real(sys.argv[1]) if len(sys.argv) > 1 else shapes()
json.dump(dict(reference, **result), sys.stdout, separators=(",", ":"))
