import "neuroglancer/unstable/chunk_worker.bundle.js";
