/**
 * The one place where TensorFlow.js enters: everything else imports `tf` from here, so that the pinned 4.22.0
 * and its mended kernels are always the same instance.
 */
export * as tf from "@tensorflow/tfjs";
