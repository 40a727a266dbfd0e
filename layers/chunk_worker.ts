import "neuroglancer/unstable/chunk_worker.bundle.js";
import "./phantom_kvstore.js";
