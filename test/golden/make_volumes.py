"""Small volumes written by TensorStore, the reference implementation of both formats, for test/unit/volume.

Run with Python and `pip install tensorstore` (0.1.85): python test/golden/make_volumes.py
It writes volumes.json: for each case the files (base64), and what the reader must find. The voxels are a formula, so
that they need not be stored: see `voxels` here and `goldenVoxel` in test/support/golden_volumes.ts.
"""

import base64
import json
import os
import sys
import tempfile

import numpy as np
import tensorstore as ts

SIZE = (21, 13, 7)  # x, y, z


def voxels(dtype):
    """Array [x, y, z]: patches of labels for wide types, a texture for narrow ones."""
    x, y, z = np.meshgrid(*(np.arange(n, dtype=np.uint64) for n in SIZE), indexing="ij")
    if dtype in ("uint8", "uint16"):
        value = x * np.uint64(7) + y * np.uint64(13) + z * np.uint64(29) + (x * y * z) % np.uint64(11)
        return (value % np.uint64(256 if dtype == "uint8" else 65521)).astype(dtype)
    patch = (x // np.uint64(3)) + np.uint64(3) * (y // np.uint64(4)) + np.uint64(17) * (z // np.uint64(2))
    value = np.where(patch % np.uint64(3) == 0, np.uint64(0), patch * np.uint64(1000003))
    if dtype == "uint64":
        value = np.where(value == 0, value, value + (np.uint64(1) << np.uint64(40)))
    return value.astype(dtype)


def write(spec, data, folder):
    spec = {**spec, "kvstore": {"driver": "file", "path": folder + "/"}, "create": True, "delete_existing": True}
    store = ts.open(spec).result()
    store[...] = data
    files = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, folder)] = base64.b64encode(file.read()).decode()
    return dict(sorted(files.items()))


def zarr2(dtype, compressor, order="C", separator=".", **more):
    zyx = voxels(dtype).transpose(2, 1, 0)
    code = {"uint8": "|u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8"}[dtype]
    metadata = {
        "shape": list(zyx.shape),
        "chunks": [4, 8, 8],
        "dtype": more.get("code", code),
        "compressor": compressor,
        "order": order,
        "dimension_separator": separator,
    }
    return {"driver": "zarr", "metadata": metadata}, zyx, dtype


def zarr3(dtype, codecs, chunk=(4, 8, 8)):
    zyx = voxels(dtype).transpose(2, 1, 0)
    metadata = {
        "shape": list(zyx.shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "codecs": codecs,
    }
    return {"driver": "zarr3", "metadata": metadata}, zyx, dtype


def shard(inner):
    return [
        {
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": [4, 4, 8],
                "codecs": inner,
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
            },
        }
    ]


def precomputed(dtype, encoding, sharding=None, **more):
    scale = {
        "size": list(SIZE),
        "resolution": [4, 4, 40],
        "voxel_offset": [100, 200, -3],
        "chunk_size": [8, 8, 4],
        "encoding": encoding,
        **more,
    }
    if sharding:
        scale["sharding"] = {"@type": "neuroglancer_uint64_sharded_v1", **sharding}
    kind = "image" if dtype in ("uint8", "uint16") else "segmentation"
    return (
        {
            "driver": "neuroglancer_precomputed",
            "multiscale_metadata": {"data_type": dtype, "num_channels": 1, "type": kind},
            "scale_metadata": scale,
        },
        voxels(dtype)[..., np.newaxis],
        dtype,
    )


LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BLOCK = {"compressed_segmentation_block_size": [4, 4, 2]}
CASES = {
    "zarr2 raw": zarr2("uint8", None),
    "zarr2 blosc lz4 shuffle": zarr2("uint16", {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}),
    "zarr2 blosc zstd bitshuffle": zarr2("uint32", {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2}),
    "zarr2 blosc blosclz": zarr2("uint64", {"id": "blosc", "cname": "blosclz", "clevel": 5, "shuffle": 1}),
    "zarr2 zlib": zarr2("uint8", {"id": "zlib", "level": 6}, separator="/"),
    "zarr2 gzip": zarr2("uint8", {"id": "gzip", "level": 6}),
    "zarr2 zstd": zarr2("uint8", {"id": "zstd", "level": 3}),
    "zarr2 order F": zarr2("uint16", {"id": "zstd", "level": 3}, order="F"),
    "zarr2 big endian": zarr2("uint16", {"id": "zlib", "level": 1}, code=">u2"),
    "zarr3 gzip": zarr3("uint8", [LITTLE, {"name": "gzip", "configuration": {"level": 5}}]),
    "zarr3 zstd": zarr3("uint16", [LITTLE, {"name": "zstd", "configuration": {"level": 3}}]),
    "zarr3 blosc crc32c": zarr3(
        "uint32",
        [
            LITTLE,
            {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 4}},
            {"name": "crc32c"},
        ],
    ),
    "zarr3 transpose": zarr3(
        "uint8",
        [
            {"name": "transpose", "configuration": {"order": [2, 0, 1]}},
            LITTLE,
            {"name": "zstd", "configuration": {"level": 1}},
        ],
    ),
    "zarr3 sharded zstd": zarr3(
        "uint8", shard([LITTLE, {"name": "zstd", "configuration": {"level": 3}}]), chunk=(4, 8, 16)
    ),
    "zarr3 sharded gzip": zarr3(
        "uint64", shard([LITTLE, {"name": "gzip", "configuration": {"level": 3}}]), chunk=(4, 8, 16)
    ),
    "precomputed raw": precomputed("uint8", "raw"),
    "precomputed raw 16": precomputed("uint16", "raw"),
    "precomputed jpeg": precomputed("uint8", "jpeg", jpeg_quality=95),
    "precomputed compressed_segmentation 32": precomputed("uint32", "compressed_segmentation", **BLOCK),
    "precomputed compressed_segmentation 64": precomputed("uint64", "compressed_segmentation", **BLOCK),
    "precomputed sharded murmur gzip": precomputed(
        "uint64",
        "compressed_segmentation",
        {
            "preshift_bits": 1,
            "hash": "murmurhash3_x86_128",
            "minishard_bits": 2,
            "shard_bits": 1,
            "minishard_index_encoding": "gzip",
            "data_encoding": "gzip",
        },
        **BLOCK,
    ),
    "precomputed sharded identity raw": precomputed(
        "uint8",
        "raw",
        {"preshift_bits": 2, "hash": "identity", "minishard_bits": 1, "shard_bits": 5},
    ),
}


def main():
    result = {}
    for name, (spec, data, dtype) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            result[name] = {"dtype": dtype, "files": write(spec, data, folder)}
    with open(os.path.join(os.path.dirname(__file__), "volumes.json"), "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    sys.stderr.write(f"{len(result)} volumes\n")


if __name__ == "__main__":
    main()
