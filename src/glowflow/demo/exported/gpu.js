// The worker that draws pictures by ONNX Runtime on the graphics card. A browser loads it only if it has WebGPU.

import * as ort from "../runtime/webgpu.js";
import { answer } from "./answering.js";
import { preview, timed } from "./decoding.js";
import { Functions } from "./running.js";

const functions = new Functions(ort, "webgpu");

answer({
  preview: (z, label) => preview(functions, z, label),
  timed: (z, label) => timed(functions, z, label),
});
