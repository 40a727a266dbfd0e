import { RenderLayerRole } from "neuroglancer/unstable/renderlayer.js";
import {
  defineBoundingBoxCrossSectionShader,
  setBoundingBoxCrossSectionShaderViewportPlane,
} from "neuroglancer/unstable/sliceview/bounding_box_shader_helper.js";
import {
  type SliceViewPanelRenderContext,
  SliceViewPanelRenderLayer,
} from "neuroglancer/unstable/sliceview/renderlayer.js";
import { mat4, vec3 } from "neuroglancer/unstable/util/geom.js";
import { GLBuffer } from "neuroglancer/unstable/webgl/buffer.js";
import type { GL } from "neuroglancer/unstable/webgl/context.js";
import { ShaderBuilder, type ShaderProgram } from "neuroglancer/unstable/webgl/shader.js";
import type { Placement } from "../mito_layer/region.js";
import type { MappedChunks } from "./chunk_values.js";
import { COLOURS, levelOf } from "./colour_scale.js";

/** The EM and the objects stay visible through it. */
const OPACITY = 0.38;
/** A plane cuts a box in a polygon of at most so many corners. */
const CORNERS = 6;
/** lower x y z, upper x y z. */
const FLOATS = 6;

/** Boxes with values, as the GPU takes them: corners in voxels, and a colour (red, green, blue, 0..255) a box. */
export interface TintBoxes {
  readonly count: number;
  readonly corners: Float32Array;
  readonly colours: Uint8Array;
}

/** Chunks that have a value, with their colours. */
export function tintBoxes({ reports, values, range }: MappedChunks): TintBoxes {
  const corners = new Float32Array(reports.length * FLOATS);
  const colours = new Uint8Array(reports.length * 4);
  let count = 0;
  for (let i = 0; i < reports.length; ++i) {
    if (Number.isNaN(values[i])) continue;
    const { lower, upper } = reports[i].box;
    corners.set(lower, count * FLOATS);
    corners.set(upper, count * FLOATS + 3);
    const level = levelOf(values[i], range);
    for (let c = 0; c < 3; ++c) colours[4 * count + c] = COLOURS[3 * level + c];
    colours[4 * count + 3] = 255;
    ++count;
  }
  return { count, corners: corners.subarray(0, count * FLOATS), colours: colours.subarray(0, count * 4) };
}

/**
 * Voxels -> the three coordinates that a view displays, as a matrix for homogeneous columns; undefined where one of them is none of the
 * layer's, so that boxes have no place there.
 */
export function voxelToDisplay(
  { voxelToModel, modelToLayer, rank, viewToLayer }: Placement,
  displayDimensions: ArrayLike<number>,
): mat4 | undefined {
  const result = mat4.create();
  const stride = rank + 1;
  for (let row = 0; row < 3; ++row) {
    const layerDim = viewToLayer[displayDimensions[row]] ?? -1;
    if (layerDim === -1) return undefined;
    for (let column = 0; column < 4; ++column) {
      let sum = column === 3 ? modelToLayer[rank * stride + layerDim] : 0;
      for (let axis = 0; axis < 3; ++axis)
        sum += modelToLayer[axis * stride + layerDim] * voxelToModel[column * 4 + axis];
      result[column * 4 + row] = sum;
    }
  }
  return result;
}

/** Draws where boxes meet the plane of a cross-section, as an even tint of their colour. Picking goes through it. */
export class TintLayer extends SliceViewPanelRenderLayer {
  private readonly shader: ShaderProgram;
  private readonly cornerBuffer: GLBuffer;
  private readonly colourBuffer: GLBuffer;
  private count = 0;

  constructor(
    private readonly gl: GL,
    private readonly placement: () => Placement | undefined,
  ) {
    super();
    this.role = RenderLayerRole.ANNOTATION;
    this.shader = this.registerDisposer(makeShader(gl));
    this.cornerBuffer = this.registerDisposer(new GLBuffer(gl));
    this.colourBuffer = this.registerDisposer(new GLBuffer(gl));
  }

  setBoxes({ count, corners, colours }: TintBoxes): void {
    this.cornerBuffer.setData(corners);
    this.colourBuffer.setData(colours);
    this.count = count;
    this.redrawNeeded.dispatch();
  }

  override isReady(): boolean {
    return true;
  }

  override draw(context: SliceViewPanelRenderContext): void {
    const { gl, shader, count } = this;
    const placement = this.placement();
    if (count === 0 || !context.emitColor || placement === undefined) return;
    const { projectionParameters } = context;
    const { displayDimensionRenderInfo, globalPosition, viewProjectionMat } = projectionParameters;
    const { displayDimensionIndices } = displayDimensionRenderInfo;
    const model = voxelToDisplay(placement, displayDimensionIndices);
    const inverse = model && mat4.invert(mat4.create(), model);
    if (model === undefined || !inverse) return;
    const { viewportNormalInGlobalCoordinates } = context.sliceView.projectionParameters.value;
    const centre = vec3.create();
    for (let i = 0; i < 3; ++i) centre[i] = globalPosition[displayDimensionIndices[i]];
    shader.bind();
    setBoundingBoxCrossSectionShaderViewportPlane(
      shader,
      viewportNormalInGlobalCoordinates,
      centre,
      model,
      inverse,
    );
    gl.uniformMatrix4fv(
      shader.uniform("uModelViewProjection"),
      false,
      mat4.multiply(mat4.create(), viewProjectionMat, model),
    );
    // The second buffer tells the mouse what it points at: a tint is nothing to point at.
    gl.drawBuffers([gl.COLOR_ATTACHMENT0, gl.NONE]);
    this.drawBoxes(count);
    context.bindFramebuffer();
  }

  private drawBoxes(count: number): void {
    const { gl, shader } = this;
    const lower = shader.attribute("aLower");
    const upper = shader.attribute("aUpper");
    const colour = shader.attribute("aColour");
    const stride = FLOATS * 4;
    this.cornerBuffer.bindToVertexAttrib(lower, 3, gl.FLOAT, false, stride, 0);
    this.cornerBuffer.bindToVertexAttrib(upper, 3, gl.FLOAT, false, stride, 12);
    this.colourBuffer.bindToVertexAttrib(colour, 4, gl.UNSIGNED_BYTE, true);
    const attributes = [lower, upper, colour].filter((index) => index >= 0);
    for (const index of attributes) gl.vertexAttribDivisor(index, 1);
    gl.drawArraysInstanced(gl.TRIANGLE_FAN, 0, CORNERS, count);
    for (const index of attributes) {
      gl.vertexAttribDivisor(index, 0);
      gl.disableVertexAttribArray(index);
    }
  }
}

function makeShader(gl: GL): ShaderProgram {
  const builder = new ShaderBuilder(gl);
  defineBoundingBoxCrossSectionShader(builder);
  builder.addAttribute("highp vec3", "aLower");
  builder.addAttribute("highp vec3", "aUpper");
  builder.addAttribute("highp vec4", "aColour");
  builder.addUniform("highp mat4", "uModelViewProjection");
  builder.addVarying("highp vec3", "vColour");
  builder.addOutputBuffer("vec4", "outColour", 0);
  builder.setVertexMain(`
vec3 position = getBoundingBoxPlaneIntersectionVertexPosition(
    aUpper - aLower, aLower, aLower, aUpper, gl_VertexID);
gl_Position = uModelViewProjection * vec4(position, 1.0);
gl_Position.z = 0.0;
vColour = aColour.rgb;
`);
  builder.setFragmentMain(`outColour = vec4(vColour, ${OPACITY});`);
  return builder.build();
}
