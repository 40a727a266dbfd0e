import { startViewer } from "./viewer.js";

const viewer = startViewer(document.getElementById("neuroglancer-container")!);
Object.assign(globalThis, { viewer });
