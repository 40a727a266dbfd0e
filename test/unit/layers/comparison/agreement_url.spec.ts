import { describe, expect, it } from "vitest";
import {
  agreementUrl,
  formatAgreementQuery,
  isAgreementUrl,
  parseAgreementQuery,
} from "../../../../layers/mito/agreement_url.js";

describe("URLs of a comparison", () => {
  it("reads what it writes, whatever the order", () => {
    const query = parseAgreementQuery("chunk=64,64,4&tta=flip&models=a,b,c&window=0,200");
    expect(query).toEqual({
      models: ["a", "b", "c"],
      rest: { tta: "flip", window: [0, 200], chunk: [64, 64, 4] },
    });
    expect(formatAgreementQuery(query)).toBe("models=a,b,c&window=0,200&tta=flip&chunk=64,64,4");
    expect(parseAgreementQuery(formatAgreementQuery(query))).toEqual(query);
  });

  it("wraps a source in its own form", () => {
    const query = { models: ["a", "b"], rest: { tta: "none" as const } };
    expect(agreementUrl("https://h/em/|zarr:", query)).toBe("https://h/em/|zarr:|mito-agreement:?models=a,b");
    expect(agreementUrl("precomputed://x", query)).toBe("mito-agreement://precomputed://x?models=a,b");
    expect(isAgreementUrl("https://h/em/|zarr:|mito-agreement:?models=a,b")).toBe(true);
    expect(isAgreementUrl("https://h/em/|zarr:|mito:?model=a")).toBe(false);
  });

  it.each([
    ["tta=none", "give the models"],
    ["models=a,b&models=c,d", "once"],
    ["models=a", "2 to 4 different"],
    ["models=a,a", "2 to 4 different"],
    ["models=a,b,c,d,e", "2 to 4 different"],
    ["models=a,../b", "not a model id"],
    ["models=a,b&model=c", "not model="],
    ["models=a,b&tta=x", "tta"],
    ["models=a,b&other=1", "unknown parameter"],
  ])("refuses %s", (text, message) => {
    expect(() => parseAgreementQuery(text)).toThrow(message);
  });
});
