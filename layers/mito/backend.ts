/** Chunk worker's side of the `mito` data source: importing it registers the sources and their messages. */
import "./agreement_backend.js";
import "./agreement_overview_backend.js";
import "./edits_backend.js";
import "./labels_backend.js";
import "./meshes_backend.js";
import "./overview_backend.js";
import "./patches_backend.js";
import "./probability_backend.js";
import "./services.js";
