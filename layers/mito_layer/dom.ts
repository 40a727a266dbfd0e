type Attribute = string | number | boolean | undefined | ((event: Event) => void);

/**
 * A DOM element with attributes, listeners and children. Text only ever enters as text nodes, so a layer, model or
 * file name from outside cannot become markup. `true` sets an empty attribute, `false` and undefined leave it out, a
 * function under `onclick` etc. is added as a listener.
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Attribute> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const result = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") result.addEventListener(name.slice(2), value);
    else if (value === true) result.setAttribute(name, "");
    else if (value !== false && value !== undefined) result.setAttribute(name, String(value));
  }
  result.append(...children);
  return result;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for SVG, without listeners. */
export function svgElement<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number> = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[K] {
  const result = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) result.setAttribute(name, String(value));
  result.append(...children);
  return result;
}

/** Writes text only where it changed: a live panel then costs no layout for what stayed the same. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
