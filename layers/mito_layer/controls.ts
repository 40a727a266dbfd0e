import type { TrackableBoolean } from "neuroglancer/unstable/trackable_boolean.js";
import type { TrackableValue, WatchableValueInterface } from "neuroglancer/unstable/trackable_value.js";
import type { RefCounted } from "neuroglancer/unstable/util/disposable.js";
import { element } from "./dom.js";

let fields = 0;

/** A labelled control: a click on the label focuses it, and the tooltip is its description. */
export function field(label: string, title: string, make: (id: string) => HTMLElement): HTMLElement {
  const id = `mito-field-${fields++}`;
  return element("div", { class: "mito-field", title }, element("label", { for: id }, label), make(id));
}

interface Range {
  readonly minimum: number;
  readonly maximum: number;
  readonly step: number;
}

/** Writes a number typed or dragged; what the value refuses is put back, with the reason as the browser shows it. */
function write(input: HTMLInputElement, value: TrackableValue<number>): void {
  try {
    value.value = value.validator(input.valueAsNumber);
    input.setCustomValidity("");
  } catch (error) {
    input.setCustomValidity(error instanceof Error ? error.message : String(error));
    input.reportValidity();
  }
}

/** Shows the value in each input that the user is not typing in. */
function follow(
  context: RefCounted,
  value: WatchableValueInterface<number>,
  inputs: readonly HTMLInputElement[],
): void {
  const show = () => {
    for (const input of inputs) if (input.valueAsNumber !== value.value) input.valueAsNumber = value.value;
  };
  context.registerDisposer(value.changed.add(show));
  show();
}

/** A slider with its number beside it; both take the keyboard. */
export function slider(
  context: RefCounted,
  id: string,
  value: TrackableValue<number>,
  { minimum, maximum, step }: Range,
): HTMLElement {
  const limits = { min: minimum, max: maximum, step };
  const range = element("input", { id, type: "range", ...limits, oninput: () => write(range, value) });
  // Typed digit by digit, so it counts when it is done.
  const number = element("input", {
    type: "number",
    ...limits,
    "aria-label": "Value",
    onchange: () => write(number, value),
  });
  follow(context, value, [range, number]);
  return element("span", { class: "mito-slider" }, range, number);
}

export function numberInput(
  context: RefCounted,
  id: string,
  value: TrackableValue<number>,
  { minimum, maximum, step, unit }: Range & { readonly unit: string },
): HTMLElement {
  const input = element("input", {
    id,
    type: "number",
    min: minimum,
    max: maximum,
    step,
    onchange: () => write(input, value),
  });
  follow(context, value, [input]);
  return element("span", { class: "mito-number" }, input, unit);
}

export function checkbox(
  context: RefCounted,
  id: string,
  value: TrackableBoolean,
  text: string,
): HTMLElement {
  const input = element("input", {
    id,
    type: "checkbox",
    onchange: () => {
      value.value = input.checked;
    },
  });
  const show = () => {
    input.checked = value.value;
  };
  context.registerDisposer(value.changed.add(show));
  show();
  return element("span", { class: "mito-check" }, input, text);
}
