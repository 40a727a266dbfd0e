export function findChromium(env?: Record<string, string | undefined>): string | undefined;
export function ensureChromium(options?: { log?: (text: string) => void }): string;
export function chromiumSwitches(options?: { webgpu?: boolean }): string[];
