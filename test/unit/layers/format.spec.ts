import { describe, expect, it } from "vitest";
import {
  formatCount,
  formatDifference,
  formatMilliseconds,
  formatPercent,
  formatSolidity,
} from "../../../layers/morphology_panel/format.js";

describe("numbers in the morphology panel", () => {
  it("have as many digits as mean something", () => {
    expect(formatCount(12345)).toBe("12,345");
    expect(formatPercent(0.0513)).toBe("5.13 %");
    expect(formatPercent(0.2214)).toBe("22.1 %");
    expect(formatSolidity(0.92949)).toBe("0.929");
    expect(formatMilliseconds(999.4)).toBe("999 ms");
    expect(formatMilliseconds(999.6)).toBe("1.0 s");
    expect(formatMilliseconds(19_060)).toBe("19.1 s");
    expect(formatMilliseconds(99_960)).toBe("100 s");
    expect(formatMilliseconds(203_600)).toBe("204 s");
  });

  it("have a sign where they are differences", () => {
    expect(formatDifference(0.0126)).toBe("+0.013");
    expect(formatDifference(-0.0126)).toBe("−0.013");
  });

  it("are a dash where there is none", () => {
    for (const format of [formatCount, formatPercent, formatSolidity, formatMilliseconds])
      expect(format(undefined)).toBe("–");
  });
});
