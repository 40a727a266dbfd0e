import {
  executeSegmentQuery,
  parseSegmentQuery,
} from "neuroglancer/unstable/segmentation_display_state/property_map.js";
import { describe, expect, it } from "vitest";
import {
  type LiveSegmentProperties,
  segmentProperties,
} from "../../../layers/mito_layer/segment_properties.js";
import { ObjectTable } from "../../../src/morphology/object_table.js";
import {
  FLAG_BORDER,
  FLAG_MEASURED,
  FLAG_PARTIAL,
  OBJECT_COLUMN_IDS,
} from "../../../src/morphology/object_types.js";

const WIDTH = OBJECT_COLUMN_IDS.length;
const at = (column: (typeof OBJECT_COLUMN_IDS)[number]) => OBJECT_COLUMN_IDS.indexOf(column);

/** Volumes in µm³ by id; sphericity only where it is given. */
function tableOf(
  entries: readonly { id: number; volume: number; sphericity?: number; flags?: number }[],
): ObjectTable {
  const table = new ObjectTable();
  const values = new Float64Array(entries.length * WIDTH).fill(Number.NaN);
  for (const [row, { volume, sphericity = Number.NaN }] of entries.entries()) {
    values[row * WIDTH + at("volume")] = volume * 1e9;
    values[row * WIDTH + at("sphericity")] = sphericity;
    values[row * WIDTH + at("sections")] = 7;
  }
  table.apply({
    ids: Float64Array.from(entries, ({ id }) => id),
    values,
    flags: Uint8Array.from(entries, ({ flags = FLAG_MEASURED }) => flags),
    gone: new Float64Array(0),
  });
  return table;
}

function query(map: LiveSegmentProperties, text: string): bigint[] {
  const result = executeSegmentQuery(map, parseSegmentQuery(map, text));
  expect(result.errors).toBeUndefined();
  const { ids } = map.segmentPropertyMap.inlineProperties!;
  return Array.from(result.indices ?? [], (index) => ids[index]);
}

const table = tableOf([
  { id: 3 * 2 ** 20 + 5, volume: 0.2, sphericity: 0.4, flags: FLAG_MEASURED | FLAG_BORDER },
  { id: 7, volume: 0.05, sphericity: 0.9 },
  { id: 2 ** 45 + 1, volume: 0.6, flags: FLAG_PARTIAL },
]);

describe("segmentProperties", () => {
  it("answers Neuroglancer's own queries, in the units of our table", async () => {
    const map = (await segmentProperties(table))!;
    expect(query(map, "volume>0.1")).toEqual([3145733n, 35184372088833n]);
    expect(query(map, "volume>0.1 sphericity<0.5")).toEqual([3145733n]);
    expect(query(map, "#partial")).toEqual([35184372088833n]);
    expect(query(map, "#border")).toEqual([3145733n]);
    expect(query(map, "-#whole")).toEqual([35184372088833n]);
    expect(query(map, ">volume")).toEqual([35184372088833n, 3145733n, 7n]);
  });

  it("finds ids, and does not hang on one that is not there", async () => {
    const map = (await segmentProperties(table))!;
    const { ids } = map.segmentPropertyMap.inlineProperties!;
    for (const [index, id] of ids.entries()) expect(map.getSegmentInlineIndex(id)).toBe(index);
    for (const id of [0n, 8n, 2n ** 60n]) expect(map.getSegmentInlineIndex(id)).toBe(-1);
    expect(map.getSegmentLabel(7n)).toBe("#whole");
  });

  it("has no map for an empty table", async () => {
    expect(await segmentProperties(new ObjectTable())).toBeUndefined();
  });

  it("gives bounds that are numbers and apart, whatever the values are", async () => {
    const map = (await segmentProperties(table))!;
    for (const { bounds, id } of map.numericalProperties) {
      expect(
        bounds.every((bound) => Number.isFinite(bound)),
        id,
      ).toBe(true);
      expect(bounds[1] as number, id).toBeGreaterThan(bounds[0] as number);
    }
    const sphericity = map.numericalProperties.find(({ id }) => id === "sphericity")!;
    expect(sphericity.bounds).toEqual([Math.fround(0.4), Math.fround(0.9)]);
  });

  it("keeps what it was made of when the table goes on", async () => {
    const changing = tableOf([
      { id: 1, volume: 0.1 },
      { id: 2, volume: 0.2 },
    ]);
    const making = segmentProperties(changing);
    changing.apply({
      ids: Float64Array.of(2),
      values: new Float64Array(WIDTH).fill(9e9),
      flags: Uint8Array.of(0),
      gone: Float64Array.of(1),
    });
    expect(query((await making)!, "volume<0.15")).toEqual([1n]);
  });
});
