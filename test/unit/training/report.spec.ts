import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import { lineChart, logTicks, thinPoints, ticks } from "../../../src/training/chart.js";
import { overlayImage, reportHtml } from "../../../src/training/report.js";

describe("chart", () => {
  it("puts ticks at round numbers", () => {
    expect(ticks(0, 1500, 6)).toEqual([0, 500, 1000, 1500]);
    expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(3, 3, 5)).toEqual([3]);
    expect(logTicks(0.1, 10)).toEqual([0.1, 1, 10]);
    expect(logTicks(0.3, 1)).toEqual([0.5, 1]);
  });

  it("thins a long series to means", () => {
    const points = Array.from({ length: 10 }, (_, i) => [i, 2 * i] as const);
    expect(thinPoints(points, 5)).toEqual([
      [0.5, 1],
      [2.5, 5],
      [4.5, 9],
      [6.5, 13],
      [8.5, 17],
    ]);
    expect(thinPoints(points, 100)).toEqual(points);
  });

  it("draws inside its frame whatever the values", () => {
    const series = [
      {
        name: "a",
        style: "one",
        points: [
          [0, 1e-9],
          [5, Number.NaN],
          [9, 3],
          [10, -1],
        ] as [number, number][],
        dots: true,
      },
    ];
    for (const logarithmic of [false, true]) {
      const svg = lineChart(series, { title: "T", xLabel: "x", logarithmic });
      expect(svg).not.toMatch(/NaN|Infinity/);
      expect(svg.match(/<circle/g)).toHaveLength(logarithmic ? 2 : 3);
      for (const [, x, y] of svg.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)) {
        expect(Number(x)).toBeGreaterThanOrEqual(0);
        expect(Number(x)).toBeLessThanOrEqual(460);
        expect(Number(y)).toBeGreaterThanOrEqual(0);
        expect(Number(y)).toBeLessThanOrEqual(250);
      }
    }
    expect(lineChart([{ name: "a", style: "one", points: [] }], { title: "T", xLabel: "x" })).toContain(
      "nothing yet",
    );
  });
});

describe("report", () => {
  it("shows the outline of what is labelled and tints what is predicted", () => {
    const labels = new Uint8Array(25);
    for (const i of [6, 7, 8, 11, 12, 13, 16, 17, 18]) labels[i] = 255;
    const slices = { width: 5, height: 5, em: [new Uint8Array(25).fill(100)], labels: [labels] };
    const logits = new Float32Array(25).fill(-1);
    logits[12] = 1;
    const url = overlayImage(slices, 0, logits);
    const { data } = decode(Buffer.from(url.slice("data:image/png;base64,".length), "base64"));
    const pixel = (i: number) => [...data.slice(3 * i, 3 * i + 3)];
    expect(pixel(0)).toEqual([100, 100, 100]);
    expect(pixel(6)).toEqual([0, 229, 255]);
    expect(pixel(12)).toEqual([170, 118, 55]);
  });

  it("is one page without references, and escapes what it is given", () => {
    const html = reportHtml({
      title: "<script>alert(1)</script>",
      summary: "a & b",
      steps: [{ step: 1, loss: 1, learningRate: 0.1 }],
      validations: [{ step: 1, loss: 0.5, iouPerSlice: 0.25, iouVolume: 0.5, best: true }],
      examples: [{ caption: '"x"', image: "data:image/png;base64,AAAA" }],
      tables: { Settings: { network: { filters: [1, 2] }, seed: 3, region: undefined } },
    });
    expect(html).not.toContain("<script");
    expect(html).not.toMatch(/(src|href)="(?!data:)/);
    expect(html).toContain("<td>network.filters</td><td>1, 2</td>");
    expect(html).toContain("a &#38; b");
  });
});
