import type { Page } from "playwright-core";

export interface TextContrast {
  readonly text: string;
  readonly contrast: number;
}

/**
 * Contrast of each visible piece of text below `selector` with what is behind it (WCAG 2.2: relative luminance of
 * sRGB). Grounds are taken from the nearest element that has one; disabled controls are exempt, as in WCAG.
 */
export function textContrasts(page: Page, selector: string): Promise<TextContrast[]> {
  return page.evaluate((selector) => {
    type Colour = [number, number, number, number];
    const parse = (text: string): Colour => {
      const [r, g, b, a = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
      return [r, g, b, a];
    };
    const luminance = ([r, g, b]: Colour) => {
      const [lr, lg, lb] = [r, g, b].map((value) => {
        const c = value / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * lr + 0.7152 * lg + 0.0722 * lb;
    };
    const groundOf = (start: Element): Colour => {
      for (let at: Element | null = start; at !== null; at = at.parentElement) {
        const colour = parse(getComputedStyle(at).backgroundColor);
        if (colour[3] === 1) return colour;
      }
      return [0, 0, 0, 1];
    };
    const found: { text: string; contrast: number }[] = [];
    for (const root of document.querySelectorAll(selector)) {
      const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const text = walker.currentNode.textContent?.trim() ?? "";
        const parent = walker.currentNode.parentElement;
        if (text === "" || parent === null || parent.closest(":disabled") !== null) continue;
        if (!parent.checkVisibility()) continue;
        const style = getComputedStyle(parent);
        const colour = parse(parent instanceof SVGElement ? style.fill : style.color);
        const [a, b] = [luminance(colour), luminance(groundOf(parent))];
        found.push({ text, contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) });
      }
    }
    return found;
  }, selector);
}
