import {
  registerKvStoreBasedDataProvider,
  registerProvider,
} from "neuroglancer/unstable/datasource/default_provider.js";
import type { DataSource, DataSourceRegistry } from "neuroglancer/unstable/datasource/index.js";
import type { ProgressOptions } from "neuroglancer/unstable/util/progress_listener.js";
import { wrapSource } from "../mito_layer/source_url.js";
import { AgreementState } from "./agreement.js";
import { type AgreementQuery, agreementUrl, parseAgreementQuery, SCHEME } from "./agreement_url.js";
import { openMito } from "./data_source.js";
import { type MitoState, MitoVolume } from "./frontend.js";
import { MitoUrlError, splitInner } from "./url.js";

/** Importing this registers the `mito-agreement` data source in the page; the chunk worker imports backend.ts. */

const description = "Where predictions of several models agree";

/**
 * Opens a comparison of models on one volume: its voxels are the categories of `src/evaluation/agreement.ts`.
 * @throws Error that names the input: as a prediction, or models that do not run on one grid.
 */
export async function openAgreement(
  registry: DataSourceRegistry,
  innerUrl: string,
  query: AgreementQuery,
  options: Partial<ProgressOptions>,
): Promise<DataSource> {
  const opened = await Promise.all(
    query.models.map((model) => {
      const own = { ...query.rest, model };
      return openMito(registry, innerUrl, own, wrapSource(innerUrl, own), options);
    }),
  );
  const models = opened.map(({ subsources }): MitoState => {
    const volumes = subsources.map(({ subsource }) => subsource.volume);
    const volume = volumes.find((one) => one instanceof MitoVolume);
    if (volume === undefined) throw new Error(`${innerUrl} gave no prediction`);
    return volume.mito;
  });
  const grid = ({ geometry, description }: MitoState) =>
    JSON.stringify([geometry.scale, geometry.sliceAxis, description.chunkSize]);
  for (const [k, model] of models.entries())
    if (grid(model) !== grid(models[0]))
      throw new MitoUrlError(
        `${query.models[k]} and ${query.models[0]} run on other scales of ${innerUrl}: compare models of one voxel size`,
      );
  const [first] = opened;
  const url = agreementUrl(innerUrl, query);
  const state = new AgreementState(url, innerUrl, query, models);
  return {
    modelTransform: first.modelTransform,
    canonicalUrl: url,
    subsources: [
      { id: "default", default: true, subsource: { volume: state.volume } },
      ...first.subsources.filter(({ id }) => id === "bounds"),
    ],
  };
}

registerProvider({
  scheme: SCHEME,
  description,
  async get({ registry, providerUrl, signal, progressListener }): Promise<DataSource> {
    const { inner, query } = splitInner(providerUrl);
    return openAgreement(registry, inner, parseAgreementQuery(query), { signal, progressListener });
  },
});

registerKvStoreBasedDataProvider({
  scheme: SCHEME,
  description,
  async get({ registry, kvStoreUrl, url, signal, progressListener }): Promise<DataSource> {
    const suffix = url.suffix ?? "";
    if (!suffix.startsWith("?"))
      throw new MitoUrlError(`no models given: end the pipeline with |${SCHEME}:?models=<id>,<id>`);
    const query = parseAgreementQuery(suffix.slice(1));
    return openAgreement(registry, kvStoreUrl, query, { signal, progressListener });
  },
});
