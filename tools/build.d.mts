export const root: string;
export function inputsDigest(): string;
export function ensureBuilt(options?: {
  dist?: string;
  log?: (line: string) => void;
}): Promise<{ dist: string; built: boolean; seconds: number }>;
