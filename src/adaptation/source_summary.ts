import type { ChondriaConfig } from "../model/types.js";
import type { SourceSummary } from "./types.js";

/** What a package says of its source; null where it carries no summary or no prior. */
export function sourceSummaryOf({ prior, sourceSummary }: ChondriaConfig): SourceSummary | null {
  if (!prior || !sourceSummary) return null;
  const { histogram, regions } = sourceSummary;
  return { histogram, prior, regions: regions ?? undefined };
}
