import { type Document, isScalar, parse, visit } from "yaml";

const STYLE = { lineWidth: 110 };
/** Lists of at least so many numbers are written in rows. */
const LONG = 9;

/**
 * Text of a model description, long lists of numbers (histograms, quantiles) in rows of 110 columns where the library would
 * give each number a line of its own.
 */
export function rdfText(document: Document): string {
  visit(document, {
    Seq(_key, list) {
      if (list.items.every((item) => isScalar(item) && typeof item.value === "number")) list.flow = false;
    },
  });
  const text = document.toString(STYLE);
  const column = new RegExp(`(?:^ *- -?\\d[\\d.e+-]*\\n){${LONG},}`, "gm");
  const rows = text.replace(column, (lines) => {
    const indent = " ".repeat(lines.indexOf("-"));
    const numbers = lines
      .trim()
      .split("\n")
      .map((line) => line.trim().slice(2));
    let row = `${indent}[`;
    const result: string[] = [];
    for (const [i, number] of numbers.entries()) {
      const word = i === numbers.length - 1 ? `${number}]` : `${number},`;
      if (row.length + word.length > STYLE.lineWidth) {
        result.push(row.trimEnd());
        row = `${indent} `;
      }
      row += `${word} `;
    }
    return `${[...result, row.trimEnd()].join("\n")}\n`;
  });
  // A text that happens to hold such a list is left alone.
  return JSON.stringify(parse(rows)) === JSON.stringify(document.toJS()) ? rows : text;
}
