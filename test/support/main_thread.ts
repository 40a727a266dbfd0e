import type { Page } from "playwright-core";

/** A stretch of main-thread work below functions of given scripts. */
export interface Stretch {
  /** Samples taken in it, at one a millisecond: its CPU time, however busy the machine is with others. */
  readonly milliseconds: number;
  /** The innermost function of ours that was sampled most. */
  readonly where: string;
}

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[];
  samples?: number[];
}

const INTERVAL_MICROSECONDS = 1000;

/**
 * Profiles the page's main thread during `action` and gives the longest stretches of work in scripts for which `ours`
 * is true, whatever they call (Neuroglancer, the DOM) included, longest first. A stretch ends where the stack has no function
 * of ours. Neuroglancer calling us from its own frame counts from our function on.
 */
export async function profileMainThread(
  page: Page,
  ours: (url: string) => boolean,
  action: () => Promise<void>,
): Promise<Stretch[]> {
  const session = await page.context().newCDPSession(page);
  await session.send("Profiler.enable");
  await session.send("Profiler.setSamplingInterval", { interval: INTERVAL_MICROSECONDS });
  await session.send("Profiler.start");
  await action();
  const { profile } = (await session.send("Profiler.stop")) as { profile: Profile };
  await session.detach();
  const names = ourFunctions(profile, ours);
  const stretches: Stretch[] = [];
  let counts = new Map<string, number>();
  const end = () => {
    if (counts.size === 0) return;
    const total = [...counts.values()].reduce((a, b) => a + b, 0);
    const [where] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    stretches.push({ milliseconds: (total * INTERVAL_MICROSECONDS) / 1000, where });
    counts = new Map();
  };
  for (const sample of profile.samples ?? []) {
    const name = names.get(sample);
    if (name === undefined) end();
    else counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  end();
  return stretches.sort((a, b) => b.milliseconds - a.milliseconds);
}

/** For each node below a function of ours: the innermost such function. */
function ourFunctions({ nodes }: Profile, ours: (url: string) => boolean): Map<number, string> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const result = new Map<number, string>();
  const walk = (id: number, inherited: string | undefined) => {
    const node = byId.get(id)!;
    const { functionName, url } = node.callFrame;
    const name = ours(url) ? functionName || "(anonymous)" : inherited;
    if (name !== undefined) result.set(id, name);
    for (const child of node.children ?? []) walk(child, name);
  };
  walk(nodes[0].id, undefined);
  return result;
}

/** Addresses of the page's scripts that hold `marker`: bundles keep our modules apart from those of node_modules. */
export async function scriptsWith(page: Page, origin: string, marker: string): Promise<Set<string>> {
  const urls = await page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .map(({ name }) => name)
      .filter((name) => name.endsWith(".js")),
  );
  const found = new Set<string>();
  for (const url of new Set(urls)) {
    if (!url.startsWith(origin)) continue;
    if ((await (await fetch(url)).text()).includes(marker)) found.add(url);
  }
  return found;
}
