import * as Comlink from "comlink";
import { registerRPC } from "neuroglancer/unstable/worker_rpc.js";
import { boxVolume, contains, isEmpty } from "../../src/volume/box.js";
import type { Box } from "../../src/volume/types.js";
import type { PatchesApi } from "../../workers/adaptation_api.js";
import { exposeApi } from "../../workers/expose.js";
import type { LabelsSource } from "./labels_backend.js";
import { SERVE_PATCHES, type ServePatches } from "./protocol.js";

/** Voxels given at once: a slice of the largest patch that is ever read (4096 x 4096). */
const MOST_VOXELS = 2 ** 24;

/**
 * Serves EM of a source on a port, box by box. The voxels go from here to the adaptation worker at the port's other end; the
 * page that hands the port out never sees them.
 */
function servePatches(source: LabelsSource, port: MessagePort): void {
  const running = new Map<number, AbortController>();
  const { bounds } = source.parameters.geometry;
  const close = () => {
    for (const controller of running.values())
      controller.abort(new DOMException("the layer was closed", "AbortError"));
    port.close();
  };
  source.registerDisposer(close);
  const api = {
    async gather(id: number, box: Box) {
      if (isEmpty(box) || !contains(bounds, box) || boxVolume(box) > MOST_VOXELS)
        throw new RangeError(
          `EM of the box ${box.lower.join()} - ${box.upper.join()} is not to be had at once from ${bounds.lower.join()} - ${bounds.upper.join()}`,
        );
      const controller = new AbortController();
      running.set(id, controller);
      try {
        const em = await source.predicted.gather(box, controller.signal);
        return Comlink.transfer(em, [em.buffer]);
      } finally {
        running.delete(id);
      }
    },
    cancel(id: number) {
      running.get(id)?.abort(new DOMException("the EM is no longer wanted", "AbortError"));
    },
    close,
  } satisfies PatchesApi;
  exposeApi(api, port);
}

registerRPC(SERVE_PATCHES, function ({ id, port }: ServePatches) {
  const source = this.get(id) as LabelsSource | undefined;
  // The layer went while the message was on its way: the adaptation hears so when it asks.
  if (source === undefined) port.close();
  else servePatches(source, port);
});
