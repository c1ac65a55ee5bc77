// One model in a thread of its own, so that the page stays awake while it computes.
import * as ort from "./ort/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.logLevel = "error";

let session, model;

async function open(about, threads) {
  model = about;
  ort.env.wasm.numThreads = threads;
  const answer = await fetch(about.url);
  if (!answer.ok) throw new Error(`${about.url}: ${answer.status} ${answer.statusText}`);
  session = await ort.InferenceSession.create(await answer.arrayBuffer(), { executionProviders: ["wasm"] });
}

// uint8 [batch, height, width, 3] of RGBA pixels, in the order of channels that the model takes. One that is fixed to a
// batch gets the same picture as often.
function input(rgba, width, height) {
  const pixels = width * height, one = new Uint8Array(3 * pixels);
  const [red, blue] = model.channels === "bgr" ? [2, 0] : [0, 2];
  for (let from = 0, to = 0; to < one.length; from += 4, to += 3) {
    one[to + red] = rgba[from];
    one[to + 1] = rgba[from + 1];
    one[to + blue] = rgba[from + 2];
  }
  const batch = model.batch ?? 1, all = batch === 1 ? one : new Uint8Array(batch * one.length);
  if (batch > 1) for (let number = 0; number < batch; number++) all.set(one, number * one.length);
  return new ort.Tensor("uint8", all, [batch, height, width, 3]);
}

// The first picture's detections, best first: a box is ymin, xmin, ymax, xmax in fractions of the picture.
async function find({ rgba, width, height }) {
  const start = performance.now();
  const outputs = await session.run({ [session.inputNames[0]]: input(rgba, width, height) });
  const [boxes, ids, scores, count] = session.outputNames.map((name) => outputs[name].data);
  const found = Array.from({ length: count[0] }, (_, row) => ({
    box: [...boxes.slice(4 * row, 4 * row + 4)], id: ids[row], score: scores[row],
  }));
  const ms = performance.now() - start;
  Object.values(outputs).forEach((tensor) => tensor.dispose());
  return { found, ms };
}

addEventListener("message", async ({ data: { number, open: about, threads, picture } }) => {
  try {
    postMessage({ number, ...(about ? await open(about, threads) : await find(picture)) });
  } catch (error) {
    postMessage({ number, problem: String(error?.message ?? error) });
  }
});
