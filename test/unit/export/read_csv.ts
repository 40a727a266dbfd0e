/** Reads RFC 4180 to the letter: CRLF after every record, quotes doubled within quotes, nothing else quoted. */
export function readCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let at = 0;
  while (at < text.length) {
    let value = "";
    if (text[at] === '"') {
      for (++at; ; ++at) {
        if (at >= text.length) throw new Error("a quoted field has no end");
        if (text[at] !== '"') value += text[at];
        else if (text[at + 1] === '"') value += text[at++];
        else break;
      }
      ++at;
    } else {
      while (at < text.length && !",\r\n".includes(text[at])) {
        if (text[at] === '"') throw new Error("a quote within a plain field");
        value += text[at++];
      }
    }
    record.push(value);
    if (text[at] === ",") ++at;
    else if (text.startsWith("\r\n", at)) {
      records.push(record);
      record = [];
      at += 2;
    } else throw new Error(`no comma or CRLF at ${at}`);
  }
  return records;
}
