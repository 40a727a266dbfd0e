import { type AttentionUNetOptions, NORMALISED_NETWORK } from "../src/network/attention_unet.js";
import type { OptimiserOptions } from "../src/training/optimisers.js";

/**
 * What every engine of bench/training.ts does: the network that trains in an hour, without its dropout, whose random
 * masks no two libraries share.
 */
export const NETWORK: AttentionUNetOptions = { ...NORMALISED_NETWORK, dropout: "none", seed: 7 };
export const OPTIMISER: OptimiserOptions = { name: "adamw", momentum: 0, weightDecay: 1e-2 };
export const LEARNING_RATE = 1e-3;
export const BATCH = 4;
