import { describe, expect, it } from "vitest";
import { Schedule } from "../../../src/training/schedules.js";

const rates = (schedule: Schedule, steps: readonly number[]) => steps.map((step) => schedule.rate(step));

describe("learning rate schedules", () => {
  it("one-cycle: lr/25 to lr in 30 % of the steps, then to lr/250000, in half cosines", () => {
    const schedule = new Schedule({ name: "one-cycle", learningRate: 1, steps: 101 });
    // Worked by hand: the rise lasts 30 steps, half-way it is the mean of 1/25 and 1; the fall lasts 70.
    expect(rates(schedule, [0, 15, 30, 65, 100])).toEqual([
      expect.closeTo(0.04, 12),
      expect.closeTo(0.52, 12),
      1,
      expect.closeTo((1 + 4e-6) / 2, 12),
      expect.closeTo(4e-6, 12),
    ]);
  });

  it("cosine falls from the rate to 0, after a linear warm-up", () => {
    const schedule = new Schedule({ name: "cosine", learningRate: 2, steps: 110, warmup: 10 });
    expect(rates(schedule, [0, 4, 9, 10, 60, 110])).toEqual([
      0.2,
      1,
      2,
      2,
      expect.closeTo(1, 12),
      expect.closeTo(0, 12),
    ]);
  });

  it("linear decay stays for half of the steps, or three quarters, then falls on a line to 0 after the last", () => {
    // Worked by the repository's rule, 1 - max(0, epoch + 1 - constant) / (decaying + 1), with 4 + 4 and 6 + 2.
    const early = new Schedule({ name: "linear-decay", learningRate: 10, steps: 8 });
    expect(rates(early, [0, 3, 4, 5, 7])).toEqual([10, 10, 8, 6, expect.closeTo(2, 12)]);
    const late = new Schedule({ name: "late-linear-decay", learningRate: 9, steps: 8 });
    expect(rates(late, [0, 5, 6, 7])).toEqual([9, 9, expect.closeTo(6, 12), expect.closeTo(3, 12)]);
  });

  it("constant stays", () => {
    const schedule = new Schedule({ name: "constant", learningRate: 2e-3, steps: 10 });
    expect(rates(schedule, [0, 5, 9])).toEqual([2e-3, 2e-3, 2e-3]);
  });

  it("reduce-on-plateau halves after so many validations without a better one, down to a tenth", () => {
    const schedule = new Schedule({
      name: "reduce-on-plateau",
      learningRate: 1,
      steps: 100,
      plateauPatience: 2,
    });
    const rateAfter = (losses: number[]) => {
      for (const loss of losses) schedule.validated(loss);
      return schedule.rate(0);
    };
    expect(rateAfter([5, 4, 4])).toBe(1);
    expect(rateAfter([4.5])).toBe(0.5);
    expect(rateAfter([3, 3.5, 3])).toBe(0.25);
    expect(rateAfter([9, 9, 9, 9, 9, 9])).toBe(0.1);
  });

  it("reduce-on-plateau may ask that a loss improves by more than a trifle", () => {
    const options = { name: "reduce-on-plateau", learningRate: 1, steps: 100, plateauPatience: 2 } as const;
    const strict = new Schedule({ ...options, plateauDelta: 1e-2 });
    const lenient = new Schedule(options);
    for (const loss of [1, 0.995, 0.992]) for (const schedule of [strict, lenient]) schedule.validated(loss);
    expect([strict.rate(0), lenient.rate(0)]).toEqual([0.5, 1]);
  });

  it("refuses a rate that is not positive", () => {
    expect(() => new Schedule({ name: "constant", learningRate: 0, steps: 1 })).toThrow(/positive/);
  });
});
