import {
  registerKvStoreBasedDataProvider,
  registerProvider,
} from "neuroglancer/unstable/datasource/default_provider.js";
import type {
  DataSource,
  DataSourceProvider,
  GetDataSourceOptions,
  GetKvStoreBasedDataSourceOptions,
  KvStoreBasedDataSourceProvider,
} from "neuroglancer/unstable/datasource/index.js";
import { openMito } from "./data_source.js";
import { formatMitoQuery, MitoUrlError, parseMitoQuery, splitInner } from "./url.js";

/** Importing this registers the `mito` data source in the page; the chunk worker imports backend.ts. */

const description = "Mitochondria predicted in another volume";

/** `mito://<any source that is not a pipeline>?model=<id>`, for example mito://precomputed://https://host/em?model=x */
const wrapping: DataSourceProvider = {
  scheme: "mito",
  description,
  async get({ registry, providerUrl, signal, progressListener }: GetDataSourceOptions): Promise<DataSource> {
    const { inner, query } = splitInner(providerUrl);
    const parsed = parseMitoQuery(query);
    const url = `mito://${inner}?${formatMitoQuery(parsed)}`;
    return openMito(registry, inner, parsed, url, { signal, progressListener });
  },
};

/** `<any pipeline>|mito:?model=<id>`, for example https://host/em.zarr/|zarr:|mito:?model=x */
const pipeline: KvStoreBasedDataSourceProvider = {
  scheme: "mito",
  description,
  async get(options: GetKvStoreBasedDataSourceOptions): Promise<DataSource> {
    const { registry, kvStoreUrl, url, signal, progressListener } = options;
    const suffix = url.suffix ?? "";
    if (!suffix.startsWith("?"))
      throw new MitoUrlError("no model given: end the pipeline with |mito:?model=<id>");
    const parsed = parseMitoQuery(suffix.slice(1));
    return openMito(registry, kvStoreUrl, parsed, `${kvStoreUrl}|mito:?${formatMitoQuery(parsed)}`, {
      signal,
      progressListener,
    });
  },
};

registerProvider(wrapping);
registerKvStoreBasedDataProvider(pipeline);
