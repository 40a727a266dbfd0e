import {
  CoordinateSpaceCombiner,
  isChannelDimension,
  TrackableCoordinateSpace,
} from "neuroglancer/unstable/coordinate_transform.js";
import type { UserLayer } from "neuroglancer/unstable/layer/index.js";
import type { LoadedDataSubsource } from "neuroglancer/unstable/layer/layer_data_source.js";
import {
  RenderScaleHistogram,
  trackableRenderScaleTarget,
} from "neuroglancer/unstable/render_scale_statistics.js";
import type { MultiscaleVolumeChunkSource } from "neuroglancer/unstable/sliceview/volume/frontend.js";
import {
  getTrackableFragmentMain,
  ImageRenderLayer,
} from "neuroglancer/unstable/sliceview/volume/image_renderlayer.js";
import type { TrackableAlphaValue } from "neuroglancer/unstable/trackable_alpha.js";
import { trackableBlendModeValue } from "neuroglancer/unstable/trackable_blend.js";
import {
  registerNested,
  WatchableValue,
  type WatchableValueInterface,
} from "neuroglancer/unstable/trackable_value.js";
import { makeWatchableShaderError } from "neuroglancer/unstable/webgl/dynamic_shader.js";
import { ShaderControlState } from "neuroglancer/unstable/webgl/shader_ui_controls.js";

/** From nothing at 0 over red to yellow at 1: what the network is unsure of stays see-through. */
const SHADER = `
void main() {
  float p = toNormalized(getDataValue());
  emitRGBA(vec4(1.0, 0.1 + 0.9 * p * p, 0.1 * p, p));
}
`;

export interface HeatMapOptions {
  readonly layer: UserLayer;
  /** Its transform is used, and the heat map goes when it is deactivated. It must be active. */
  readonly subsource: LoadedDataSubsource;
  /** uint8 probabilities. */
  readonly volume: MultiscaleVolumeChunkSource;
  readonly shown: WatchableValueInterface<boolean>;
  readonly opacity: TrackableAlphaValue;
}

/** Draws a probability volume over the layer's segments while `shown` is true; hidden, it requests no chunks. */
export function addHeatMap({ layer, subsource, volume, shown, opacity }: HeatMapOptions): void {
  const owner = subsource.activated!;
  const channelCoordinateSpace = new TrackableCoordinateSpace();
  const shaderControlState = owner.registerDisposer(
    new ShaderControlState(
      getTrackableFragmentMain(SHADER),
      new WatchableValue({ imageData: { dataType: volume.dataType, channelRank: 0 } }),
      new CoordinateSpaceCombiner(channelCoordinateSpace, isChannelDimension),
    ),
  );
  const transform = subsource.getRenderLayerTransform(channelCoordinateSpace);
  owner.registerDisposer(
    registerNested((context, visible) => {
      if (!visible) return;
      const renderLayer = new ImageRenderLayer(volume, {
        opacity,
        blendMode: trackableBlendModeValue(),
        shaderControlState,
        shaderError: makeWatchableShaderError(),
        transform,
        renderScaleTarget: trackableRenderScaleTarget(1),
        renderScaleHistogram: new RenderScaleHistogram(),
        localPosition: layer.localPosition,
        channelCoordinateSpace,
      });
      context.registerDisposer(subsource.messages.addChild(renderLayer.messages));
      context.registerDisposer(layer.addRenderLayer(renderLayer));
    }, shown),
  );
}
