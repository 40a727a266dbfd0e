/** Registers every layer class of ours that a saved topology may name. */
import "./bilinear_upsampling.js";
import "./blur_downsampling.js";
import "./class_difference.js";
import "./dropout.js";
import "./group_normalisation.js";
import "./reflection_padding.js";
