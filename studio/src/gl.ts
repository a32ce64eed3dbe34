// Points by WebGL2. Shaders are compiled by the driver alone: libraries that make functions of text
// (regl among them) are stopped by the page's policy, which allows no eval.

const VERTEX = `#version 300 es
in vec2 place; in vec3 colour; in float mark;
uniform vec2 scale; uniform vec2 shift; uniform float size;
out vec3 tint; out float ring;
void main() {
  gl_Position = vec4(place * scale + shift, 0.0, 1.0);
  gl_PointSize = mark > 1.5 ? size + 7.0 : mark > 0.5 ? size + 5.0 : size;
  tint = colour; ring = mark;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 tint; in float ring; uniform vec3 ink; uniform float dim;
out vec4 colour;
void main() {
  float r = length(gl_PointCoord - 0.5) * 2.0;
  if (r > 1.0) discard;
  float edge = 1.0 - smoothstep(0.82, 1.0, r);
  bool rim = ring > 0.5 && r > 0.62;
  float alpha = (ring > 0.5 ? 1.0 : dim) * edge;
  colour = vec4((rim ? ink : tint) * alpha, alpha);
}`;

export class Points {
  private readonly gl: WebGL2RenderingContext;
  private readonly program: WebGLProgram;
  private readonly buffers: { [name: string]: WebGLBuffer } = {};
  private count = 0;

  constructor(readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
    if (!gl) throw new Error("this browser has no WebGL 2");
    this.gl = gl;
    this.program = gl.createProgram()!;
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(this.program, shader);
    }
    gl.linkProgram(this.program);
    if (!gl.getProgramParameter(this.program, gl.LINK_STATUS)) throw new Error("the map cannot be drawn here");
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  places(xy: Float32Array): void {
    this.count = xy.length / 2;
    this.fill("place", xy, 2);
  }

  colours(rgb: Float32Array): void {
    this.fill("colour", rgb, 3);
  }

  /** 0 for a plain point, 1 for a selected one, 2 for the one under the pointer. */
  marks(values: Float32Array): void {
    this.fill("mark", values, 1);
  }

  /** The mark of one point. */
  mark(i: number, value: number): void {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers.mark);
    this.gl.bufferSubData(this.gl.ARRAY_BUFFER, 4 * i, new Float32Array([value]));
  }

  private fill(name: string, values: Float32Array, size: number): void {
    const { gl } = this;
    this.buffers[name] ??= gl.createBuffer()!;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    const at = gl.getAttribLocation(this.program, name);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, gl.FLOAT, false, 0, 0);
  }

  draw(view: { scale: [number, number]; shift: [number, number]; size: number; dim: number; ink: number[] }): void {
    const { gl } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.program);
    const at = (name: string) => gl.getUniformLocation(this.program, name);
    gl.uniform2fv(at("scale"), view.scale);
    gl.uniform2fv(at("shift"), view.shift);
    gl.uniform1f(at("size"), view.size);
    gl.uniform1f(at("dim"), view.dim);
    gl.uniform3fv(at("ink"), view.ink);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  close(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** The nearest point to a place, by cells, so that pointing is quick however many there are. */
export class Nearest {
  private readonly cells = new Map<number, number[]>();
  private readonly side: number;

  constructor(private readonly xy: Float32Array, extent: number) {
    this.side = Math.max(1, extent / 256);
    for (let i = 0; i < xy.length / 2; i++) {
      const cell = this.cell(xy[2 * i], xy[2 * i + 1]);
      const there = this.cells.get(cell);
      if (there) there.push(i);
      else this.cells.set(cell, [i]);
    }
  }

  private cell(x: number, y: number): number {
    return Math.floor(x / this.side) * 4096 + Math.floor(y / this.side);
  }

  find(x: number, y: number, reach: number): number {
    let best = -1;
    let least = reach * reach;
    const steps = Math.min(40, Math.ceil(reach / this.side));
    for (let dx = -steps; dx <= steps; dx++)
      for (let dy = -steps; dy <= steps; dy++)
        for (const i of this.cells.get(this.cell(x + dx * this.side, y + dy * this.side)) ?? []) {
          const d = (this.xy[2 * i] - x) ** 2 + (this.xy[2 * i + 1] - y) ** 2;
          if (d < least) [best, least] = [i, d];
        }
    return best;
  }
}
