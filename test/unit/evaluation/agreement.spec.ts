import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ALL,
  agreementFigures,
  countAgreement,
  meanAgreement,
  mergeAgreements,
  NONE,
  ONLY,
  overlapScore,
  pairIou,
  referenceScore,
  SEVERAL,
} from "../../../src/evaluation/agreement.js";

const vote = (values: number[], minimum = 128) => ({ values: Uint8Array.from(values), minimum });

describe("agreement of labellings", () => {
  const a = vote([200, 200, 200, 0, 0, 200]);
  const b = vote([200, 200, 0, 0, 90, 0], 90);
  const c = vote([128, 127, 0, 0, 0, 0]);
  const truth = [1, 1, 0, 0, 7, 0];

  it("counts voxels that all, several and one model find, and paints them", () => {
    const out = new Uint8Array(6);
    const figures = agreementFigures(countAgreement([a, b, c], undefined, out));
    expect(figures).toEqual({
      voxels: 6,
      none: 1,
      all: 1,
      several: 1,
      one: 3,
      only: [2, 1, 0],
      foreground: [4, 3, 1],
    });
    expect([...out]).toEqual([ALL, SEVERAL, ONLY, NONE, ONLY + 1, ONLY]);
  });

  it("gives the overlap of each pair and each model's score against a reference", () => {
    const agreement = countAgreement([a, b, c], truth);
    expect(pairIou(agreement, 0, 1)).toBe(2 / 5);
    expect(pairIou(agreement, 2, 0)).toBe(1 / 4);
    expect(meanAgreement(agreement)[0]).toBeCloseTo((2 / 5 + 1 / 4) / 2, 12);
    expect(referenceScore(agreement, 0)).toEqual({ iou: 2 / 5, precision: 2 / 4, recall: 2 / 3, f1: 4 / 7 });
    expect(referenceScore(agreement, 1)).toEqual({ iou: 1, precision: 1, recall: 1, f1: 1 });
    expect(referenceScore(countAgreement([a, b]), 0)).toBeUndefined();
  });

  it("takes two empty sides as agreement and one as none, as empanada does", () => {
    const empty = vote([0, 0]);
    expect(pairIou(countAgreement([empty, empty]), 0, 1)).toBe(1);
    expect(pairIou(countAgreement([empty, vote([255, 0])]), 0, 1)).toBe(0);
    expect(overlapScore(0, 0, 3)).toEqual({ iou: 0, precision: 1, recall: 0, f1: 0 });
  });

  it("never finds a voxel at a minimum of 256", () => {
    expect(agreementFigures(countAgreement([vote([255], 256), vote([255], 255)])).only).toEqual([0, 1]);
  });

  it("adds up over chunks, whatever cuts them", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(1)), { minLength: 2, maxLength: 60 }),
        fc.nat(58),
        (rows, cut) => {
          const at = 1 + (cut % (rows.length - 1));
          const count = (some: typeof rows) =>
            countAgreement(
              [0, 1, 2].map((k) => vote(some.map((row) => row[k]))),
              some.map((row) => row[3]),
            );
          expect(mergeAgreements([count(rows.slice(0, at)), count(rows.slice(at))])).toEqual(count(rows));
        },
      ),
    );
  });

  it("drops the reference where a chunk has none", () => {
    const merged = mergeAgreements([countAgreement([a, b], truth), countAgreement([a, b])]);
    expect(merged.reference).toBe(false);
    expect(agreementFigures(merged).voxels).toBe(12);
    expect(merged).toEqual(mergeAgreements([countAgreement([a, b]), countAgreement([a, b])]));
  });

  it.each([
    [[a], undefined, "2 to 15"],
    [Array.from({ length: 16 }, () => a), undefined, "2 to 15"],
    [[a, vote([1])], undefined, "1 and 6"],
    [[a, b], [1], "1 and 6"],
  ] as const)("refuses what cannot be compared", (votes, reference, message) => {
    expect(() => countAgreement(votes, reference)).toThrow(message);
  });

  it("refuses to merge different numbers of models, or nothing", () => {
    expect(() => mergeAgreements([countAgreement([a, b]), countAgreement([a, b, c])])).toThrow("3 and 2");
    expect(() => mergeAgreements([])).toThrow("no agreement");
  });
});
