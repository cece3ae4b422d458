// The worker that draws pictures by ONNX Runtime on the graphics card. A browser loads it only if it has WebGPU.

import * as ort from "../runtime/webgpu.js";
import { answer } from "./answering.js";
import { decode, timed } from "./decoding.js";
import { Functions } from "./running.js";

const functions = new Functions(ort, "webgpu");

answer({
  decode: (z, label) => decode(functions, z, label),
  timed: (z, label) => timed(functions, z, label),
});
