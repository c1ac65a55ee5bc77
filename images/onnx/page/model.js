// A model as the page sees it: opened, and asked for what it finds.

export class Model {
  #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  #number = 0;
  #waiting = new Map();

  // about: an entry of models.json; color: of its own among the others'
  constructor(about, color) {
    this.about = about;
    this.color = color;
    this.#worker.addEventListener("message", ({ data }) => {
      const { resolve, reject } = this.#waiting.get(data.number);
      this.#waiting.delete(data.number);
      data.problem === undefined ? resolve(data) : reject(new Error(data.problem));
    });
    this.#worker.addEventListener("error", (event) => {
      this.#waiting.forEach(({ reject }) => reject(new Error(event.message || "its worker does not start, which a newer browser may mend")));
      this.#waiting.clear();
    });
  }

  open(threads) {
    return this.#ask({ open: this.about, threads });
  }

  // Detections [{box, id, score}] and milliseconds, of a picture as ImageData.
  find({ data, width, height }) {
    return this.#ask({ picture: { rgba: data, width, height } }, [data.buffer]);
  }

  #ask(what, moved = []) {
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, ...what }, moved);
    });
  }
}

// Why a model that ONNX Runtime for Python runs may not run here, and what to do.
export function cure({ name, precision }, error) {
  const why = `${name} does not run in this browser: ${error.message}.`;
  return precision === "fp32" ? why : `${why} It is one in ${precision}: publish it in fp32 (export with --precision fp32).`;
}
