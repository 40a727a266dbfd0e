import { FILE_LIMITS } from "./types.js";

/** A name that a pickle refers to ("torch FloatStorage"): only ever compared, never looked up or called. */
export class Global {
  constructor(readonly path: string) {}
}

/** What a pickle asks to be made by calling `callee`; the reader says what, if anything, stands for it. */
export type Reduce = (callee: Global, args: readonly unknown[]) => unknown;

export interface UnpickleOptions {
  /** Whether a name may occur at all. @returns an error message for one that may not. */
  readonly refuse: (path: string) => string | null;
  readonly reduce: Reduce;
  /** Stands for what the archive keeps outside of the pickle. */
  readonly persistent: (id: unknown) => unknown;
}

const MARK = Symbol("mark");
const ascii = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a pickle as data. Nothing of it is run: the machine of Python's `pickletools` (protocols 0 to 5) has its opcodes
 * for building lists, tuples, dicts and numbers here, and the two that call something hand name and arguments to
 * `reduce`. Dicts become Maps, tuples and lists arrays.
 * @throws Error naming what cannot be read: an opcode, a name that is refused, a truncated or circular program.
 */
export function unpickle(bytes: Uint8Array, { refuse, reduce, persistent }: UnpickleOptions): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const memo = new Map<number, unknown>();
  const stack: unknown[] = [];
  let at = 0;

  const need = (count: number) => {
    if (!(count >= 0) || at + count > bytes.length) throw new Error("its pickle is cut off");
    at += count;
    return at - count;
  };
  const uint8 = () => view.getUint8(need(1));
  const uint16 = () => view.getUint16(need(2), true);
  const int32 = () => view.getInt32(need(4), true);
  const uint32 = () => view.getUint32(need(4), true);
  const long = () => Number(view.getBigUint64(need(8), true));
  const raw = (count: number) => bytes.subarray(need(count), at);
  const text = (count: number) => utf8.decode(raw(count));
  const line = () => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw new Error("its pickle is cut off");
    const read = ascii.decode(bytes.subarray(at, end));
    at = end + 1;
    return read;
  };
  const integer = (count: number) => {
    if (count > 8) throw new Error("its pickle holds a number of more than 64 bits");
    let value = 0n;
    const digits = raw(count);
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(digits[i]);
    return Number(count === 0 ? 0n : BigInt.asIntN(8 * count, value));
  };
  const pop = () => {
    if (stack.length === 0 || stack.at(-1) === MARK) throw new Error("its pickle is damaged");
    return stack.pop();
  };
  const popToMark = () => {
    const mark = stack.lastIndexOf(MARK);
    if (mark < 0) throw new Error("its pickle is damaged");
    const items = stack.splice(mark);
    items.shift();
    return items;
  };
  const array = (value: unknown) => {
    if (!Array.isArray(value)) throw new Error("its pickle is damaged");
    return value as unknown[];
  };
  const top = () => {
    const value = pop();
    stack.push(value);
    return value;
  };
  const global = (path: string) => {
    const reason = refuse(path);
    if (reason !== null) throw new Error(reason);
    return new Global(path);
  };
  const setItems = (target: unknown, items: readonly unknown[]) => {
    if (!(target instanceof Map) || items.length % 2 !== 0) throw new Error("its pickle is damaged");
    for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
  };
  const dictOf = (items: readonly unknown[]) => {
    const dict = new Map<unknown, unknown>();
    setItems(dict, items);
    return dict;
  };
  const recall = (index: number) => {
    if (!memo.has(index)) throw new Error("its pickle is damaged");
    return memo.get(index);
  };
  const number = (value: string) => {
    const parsed = Number(value.replace(/L$/, ""));
    if (value.trim() === "" || Number.isNaN(parsed)) throw new Error("its pickle is damaged");
    return parsed;
  };

  const operations: Readonly<Record<number, () => unknown>> = {
    // N, true, false
    78: () => null,
    136: () => true,
    137: () => false,
    // I J K M L LONG1 LONG4, F G
    73: () => {
      const value = line();
      return value === "00" ? false : value === "01" ? true : number(value);
    },
    74: int32,
    75: uint8,
    77: uint16,
    76: () => number(line()),
    138: () => integer(uint8()),
    139: () => integer(uint32()),
    70: () => number(line()),
    71: () => view.getFloat64(need(8)),
    // Strings and bytes: V X \x8c \x8d, U T, C B \x8e
    86: line,
    88: () => text(uint32()),
    140: () => text(uint8()),
    141: () => text(long()),
    85: () => ascii.decode(raw(uint8())),
    84: () => ascii.decode(raw(uint32())),
    67: () => raw(uint8()),
    66: () => raw(uint32()),
    142: () => raw(long()),
    // ) t \x85 \x86 \x87, ] l
    41: () => [],
    116: popToMark,
    133: () => [pop()],
    134: () => [pop(), pop()].reverse(),
    135: () => [pop(), pop(), pop()].reverse(),
    93: () => [],
    108: popToMark,
    // } d, \x8f
    125: () => new Map(),
    100: () => dictOf(popToMark()),
    143: () => [],
    // a e s u \x90
    97: () => {
      const item = pop();
      const list = array(pop());
      list.push(item);
      return list;
    },
    101: () => {
      const items = popToMark();
      const list = array(pop());
      for (const item of items) list.push(item);
      return list;
    },
    115: () => {
      const [value, key] = [pop(), pop()];
      const dict = pop();
      setItems(dict, [key, value]);
      return dict;
    },
    117: () => {
      const items = popToMark();
      const dict = pop();
      setItems(dict, items);
      return dict;
    },
    144: () => {
      const items = popToMark();
      const list = array(pop());
      for (const item of items) list.push(item);
      return list;
    },
    // c, \x93
    99: () => global(`${line()} ${line()}`),
    147: () => {
      const [name, module] = [pop(), pop()];
      return global(`${String(module)} ${String(name)}`);
    },
    // R \x81: the two that call
    82: () => {
      const args = array(pop());
      return call(pop(), args);
    },
    129: () => {
      const args = array(pop());
      return call(pop(), args);
    },
    // b: attributes of an object, which mean nothing to data
    98: () => {
      pop();
      return pop();
    },
    81: () => persistent(pop()),
    104: () => recall(uint8()),
    106: () => recall(uint32()),
  };
  const call = (callee: unknown, args: readonly unknown[]) => {
    if (!(callee instanceof Global)) throw new Error("its pickle calls what is no name");
    return reduce(callee, args);
  };

  for (;;) {
    const opcode = uint8();
    if (opcode === 46) return pop();
    // PROTO, FRAME
    if (opcode === 128) need(1);
    else if (opcode === 149) need(8);
    else if (opcode === 40) stack.push(MARK);
    else if (opcode === 48) pop();
    else if (opcode === 49) popToMark();
    else if (opcode === 50) stack.push(top());
    else if (opcode === 113) memo.set(uint8(), top());
    else if (opcode === 114) memo.set(uint32(), top());
    else if (opcode === 148) memo.set(memo.size, top());
    else {
      const operation = operations[opcode];
      if (operation === undefined) throw new Error(`its pickle has the opcode ${opcode}, which is not read`);
      stack.push(operation());
    }
    if (stack.length > 100 * FILE_LIMITS.entries || memo.size > 100 * FILE_LIMITS.entries)
      throw new Error("its pickle is larger than any state dict's");
  }
}
