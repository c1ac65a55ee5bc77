// The page: what is looked at (pictures, a video, the webcam), the models that look, the threshold and the classes.
import { Model, cure } from "./model.js";
import { Side, make } from "./sides.js";

const at = (id) => document.getElementById(id);
const [slider, video] = [at("threshold"), at("video")];
const PALETTE = 6; // colours of style.css
// (module (func (result v128) i32.const 0 i8x16.splat)): valid where WebAssembly has SIMD
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11]);
const CAMERA = {
  NotAllowedError: "The browser was not allowed to use the camera: allow it in the settings of this site (left of the address) and press Webcam again.",
  NotFoundError: "The browser finds no camera: connect one and press Webcam again.",
  NotReadableError: "The camera does not start: another program may be using it. Close that and press Webcam again.",
};

const sides = [];
const hidden = new Set(); // classes that are not wanted
const colors = new Map(); // by class
let source = 0; // counts what is looked at: a loop ends when another thing is
let pictures = []; // of the strip: [{file, button}]

const problem = (sentence = "") => {
  at("problem").textContent = sentence;
  at("problem").hidden = !sentence;
};
const draw = (side) => side.draw(Number(slider.value), (name) => !hidden.has(name), (name) => colors.get(name));
const drawAll = () => sides.forEach(draw);

// ---- looking
// The pixels of a frame, as ONNX Runtime gets them.
function pixels(frame, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { alpha: false, willReadFrequently: true });
  context.drawImage(frame, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

async function look(side, frame, width, height, mine, live) {
  try {
    const answer = await side.model.find(pixels(frame, width, height));
    if (mine !== source) return false;
    side.show(frame, width, height, answer, live);
    draw(side);
    return true;
  } catch (error) {
    if (mine === source) side.say(cure(side.model.about, error));
    return false;
  }
}

// Every model at its own pace, always on the newest frame; the frame is shown when what is in it is known.
async function follow(side, mine) {
  const next = () => new Promise((resolve) => ("requestVideoFrameCallback" in video ? video.requestVideoFrameCallback(resolve) : requestAnimationFrame(resolve)));
  side.restart();
  while (mine === source) {
    await next();
    if (mine !== source) return;
    const frame = await createImageBitmap(video);
    const goes = await look(side, frame, frame.width, frame.height, mine, true);
    frame.close();
    if (!goes) return;
  }
}

function stop() {
  source += 1;
  problem();
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  at("camera").setAttribute("aria-pressed", "false");
  return source;
}

async function showPicture(number) {
  const mine = stop();
  const { file } = pictures[number];
  pictures.forEach(({ button }, index) => button.setAttribute("aria-pressed", String(index === number)));
  let frame;
  try {
    frame = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    if (mine === source) problem(`${file.name} is no picture that this browser can read.`);
    return;
  }
  at("nothing").hidden = true;
  await Promise.all(sides.map((side) => look(side, frame, frame.width, frame.height, mine, false)));
}

async function play(start) {
  const mine = stop();
  pictures = [];
  at("strip").hidden = true;
  await start();
  await video.play();
  if (mine !== source) return;
  at("nothing").hidden = true;
  sides.forEach((side) => follow(side, mine));
}

async function openCamera() {
  if (!navigator.mediaDevices) return problem("The browser gives a camera to safe pages only: open this one as http://localhost.");
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 } } });
    await play(() => (video.srcObject = stream));
    at("camera").setAttribute("aria-pressed", "true");
    stream.getVideoTracks()[0].addEventListener("ended", () => video.srcObject === stream && (stop(), problem("The camera is gone.")));
  } catch (error) {
    problem(CAMERA[error.name] ?? `The camera does not open: ${error.message}`);
  }
}

async function open(files) {
  const chosen = [...files];
  const film = chosen.find((file) => file.type.startsWith("video/"));
  if (film) {
    try {
      await play(() => (video.src = URL.createObjectURL(film)));
    } catch {
      problem(`${film.name} is no video that this browser can play.`);
    }
    return;
  }
  if (!chosen.length) return;
  pictures = chosen.map((file, number) => {
    const image = make("img", { src: URL.createObjectURL(file), alt: file.name });
    image.addEventListener("load", () => URL.revokeObjectURL(image.src));
    const button = make("button", { type: "button", title: file.name }, image);
    button.addEventListener("click", () => showPicture(number));
    return { file, button };
  });
  at("strip").replaceChildren(...pictures.map(({ button }) => button));
  at("strip").hidden = pictures.length < 2;
  await showPicture(0);
}

// ---- what the page is told
function listen() {
  slider.addEventListener("input", () => {
    at("at").value = Number(slider.value).toFixed(2);
    drawAll();
  });
  at("files").addEventListener("change", ({ target }) => {
    open(target.files);
    target.value = "";
  });
  at("camera").addEventListener("click", () => (video.srcObject ? stop() : openCamera()));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  addEventListener("dragleave", ({ relatedTarget }) => relatedTarget ?? document.body.classList.remove("dragging"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    open(event.dataTransfer.files);
  });
  addEventListener("keydown", ({ key, target }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step || target === slider || pictures.length < 2) return;
    const now = pictures.findIndex(({ button }) => button.getAttribute("aria-pressed") === "true");
    showPicture((now + step + pictures.length) % pictures.length);
  });
}

function addClasses(names) {
  names.forEach((name, number) => colors.set(name, `var(--c${number % PALETTE})`));
  if (names.length < 2) return;
  const chips = names.map((name) => {
    const chip = make("button", { type: "button", className: "chip" }, make("span", { className: "mark", style: `background: ${colors.get(name)}` }), name);
    chip.addEventListener("click", () => {
      hidden.has(name) ? hidden.delete(name) : hidden.add(name);
      press();
    });
    return chip;
  });
  const all = make("button", { type: "button", className: "chip" }, "all");
  all.addEventListener("click", () => {
    const isAll = !hidden.size;
    hidden.clear();
    if (isAll) names.forEach((name) => hidden.add(name));
    press();
  });
  function press() {
    all.setAttribute("aria-pressed", String(!hidden.size));
    chips.forEach((chip, number) => chip.setAttribute("aria-pressed", String(!hidden.has(names[number]))));
    drawAll();
  }
  at("classes").append(all, ...chips);
  press();
}

async function start() {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(SIMD)) {
    document.querySelector(".controls").hidden = at("nothing").hidden = true;
    problem("This browser has no WebAssembly SIMD, without which ONNX Runtime does not run. Chrome and Edge have it from version 91 on, Firefox from 89, Safari from 16.4.");
    return;
  }
  const models = await (await fetch("models.json")).json();
  document.title = `${models.map(({ name }) => name).join(", ")} · play · Isomer`;
  at("title").textContent = models.map(({ name }) => name).join(" and ");
  slider.min = Math.min(...models.map(({ lowest }) => lowest));
  slider.value = models[0].threshold;
  at("at").value = Number(slider.value).toFixed(2);
  addClasses([...new Set(models.flatMap(({ classes }) => classes))]);
  // Without isolation there is no memory that threads could share. More than half of the processors would wait for each
  // other, and for the page.
  const threads = crossOriginIsolated ? Math.max(1, Math.min(4, Math.floor(navigator.hardwareConcurrency / 2 / models.length))) : 1;
  await Promise.all(models.map(async (about, number) => {
    const side = new Side(new Model(about, `var(--c${number % PALETTE})`), at("panels"));
    side.say("loading …");
    try {
      await side.model.open(threads);
      side.say("ready");
      sides.push(side);
    } catch (error) {
      side.say(cure(about, error));
    }
  }));
  sides.sort((a, b) => models.indexOf(a.model.about) - models.indexOf(b.model.about));
  listen();
  document.body.dataset.state = "ready";
}

globalThis.sides = sides; // for the browser's console, and for tests
start().catch((error) => problem(`The page does not start: ${error.message}. Is ./inv play still running?`));
