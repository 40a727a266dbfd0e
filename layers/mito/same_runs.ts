import type { LabelRuns } from "../../src/segmentation/types.js";

/** Whether two chunks of one size have the same labels in the same voxels. */
export function sameRuns(a: LabelRuns, b: LabelRuns): boolean {
  const equal = (one: ArrayLike<number>, other: ArrayLike<number>) => {
    if (one.length !== other.length) return false;
    for (let i = 0; i < one.length; ++i) if (one[i] !== other[i]) return false;
    return true;
  };
  return (
    a.count === b.count &&
    equal(a.rows, b.rows) &&
    equal(a.starts, b.starts) &&
    equal(a.ends, b.ends) &&
    equal(a.labels, b.labels)
  );
}
