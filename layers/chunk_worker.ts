// Neuroglancer's own chunk worker (all default backends), then ours: registered before any message is handled.
import "neuroglancer/unstable/chunk_worker.bundle.js";
import "./mito/backend.js";
import "./mito/export_backend.js";
import "./phantom_threads.js";
