// A server of the same model on ONNX Runtime and sharp, behind node's http: what somebody without rehead would write. It answers POST /invocations
// with {"predictions": [{"label", "probability"}, ...]}, so that `rehead bench serve` measures both alike. docs/performance.md has the numbers.
//
//   rehead export MODEL -o model.onnx && npm install onnxruntime-node sharp
//   node serve/testdata/peer.mjs model.onnx [PORT] [MAX_BATCH]
//
// With MAX_BATCH 1 each request runs by itself, as such servers mostly do; with more, pictures that arrive during a run share the next one.
import http from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(process.cwd() + '/'); // packages of the folder that it is started in
const ort = require('onnxruntime-node');
const sharp = require('sharp');

const [path, port = '8081', most = '1'] = process.argv.slice(2);
const maxBatch = Number(most);
const session = await ort.InferenceSession.create(path, { graphOptimizationLevel: 'all' });
const input = session.inputMetadata[0];
const size = input.shape.at(-1);
const plane = size * size;
const labels = process.env.LABELS?.split(',');

// decode gives a picture's [3, size, size] planes of 0..255.
async function decode(bytes) {
  const rgb = await sharp(bytes).rotate().resize(size, size, { fit: 'fill', kernel: 'linear' }).removeAlpha().toColourspace('srgb').raw().toBuffer();
  const planes = new Float32Array(3 * plane);
  for (let i = 0, at = 0; i < plane; i++) {
    planes[i] = rgb[at++];
    planes[plane + i] = rgb[at++];
    planes[2 * plane + i] = rgb[at++];
  }
  return planes;
}

async function forward(pictures) {
  const all = new Float32Array(pictures.length * 3 * plane);
  pictures.forEach((p, i) => all.set(p, i * 3 * plane));
  const { probabilities } = await session.run({ [input.name]: new ort.Tensor('float32', all, [pictures.length, 3, size, size]) });
  const classes = probabilities.data.length / pictures.length;
  return pictures.map((_, i) => probabilities.data.slice(i * classes, (i + 1) * classes));
}

const waiting = [];
let running = false;
async function run() {
  running = true;
  while (waiting.length > 0) {
    const batch = waiting.splice(0, maxBatch);
    try {
      const results = await forward(batch.map((b) => b.planes));
      batch.forEach((b, i) => b.resolve(results[i]));
    } catch (error) {
      batch.forEach((b) => b.reject(error));
    }
  }
  running = false;
}

function classify(planes) {
  if (maxBatch === 1) return forward([planes]).then((r) => r[0]);
  return new Promise((resolve, reject) => {
    waiting.push({ planes, resolve, reject });
    if (!running) run();
  });
}

http.createServer(async (request, response) => {
  const answer = (status, value) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  if (request.url === '/ping') return answer(200, {});
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let planes;
  try {
    planes = await decode(Buffer.concat(chunks));
  } catch (error) {
    return answer(400, { error: String(error) });
  }
  try {
    const p = await classify(planes);
    const ranked = Array.from(p, (probability, i) => ({ label: labels?.[i] ?? String(i), probability })).sort((a, b) => b.probability - a.probability);
    answer(200, { predictions: ranked.slice(0, 5) });
  } catch (error) {
    answer(500, { error: String(error) });
  }
}).listen(Number(port), '127.0.0.1', () => console.error(`ready on ${port}, batches of up to ${maxBatch}`));
