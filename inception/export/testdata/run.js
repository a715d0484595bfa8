// Runs an ONNX model on raw float32 pixels with ONNX Runtime and prints its outputs as JSON.
// node run.js MODEL PIXELS N SIZE; onnxruntime-node is looked up in NODE_PATH.
const fs = require('fs');
const ort = require('onnxruntime-node');

async function main([model, pixels, n, size]) {
  const session = await ort.InferenceSession.create(model);
  const bytes = fs.readFileSync(pixels);
  const data = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const image = new ort.Tensor('float32', data, [Number(n), 3, Number(size), Number(size)]);
  const out = await session.run({ image });
  const answer = {};
  for (const name of Object.keys(out)) answer[name] = Array.from(out[name].data);
  console.log(JSON.stringify(answer));
}

main(process.argv.slice(2)).catch((e) => { console.error(e); process.exit(1); });
