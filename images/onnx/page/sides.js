// What is seen of one model: the picture with its boxes, how many and how fast, and the list of them.

const SVG = "http://www.w3.org/2000/svg";
const RECENT = 2000; // ms that the frame rate is about

export class Side {
  found = [];
  size = [0, 0];
  #times = [];
  #ms = null;

  constructor(model, place) {
    this.model = model;
    const { about } = model;
    const facts = [about.architecture ?? about.framework, `input ${about.size}`, about.precision, `${(about.bytes / 1e6).toFixed(1)} MB`];
    // a model with an NMS of its own has a threshold of its own
    if (about.lowest === about.threshold) facts.push(`reports nothing below ${about.lowest}`);
    this.element = make("section", { className: "side" });
    this.element.append(
      make("h2", {}, make("span", { className: "mark", style: `background: ${model.color}` }), about.name),
      make("p", { className: "about" }, facts.join(" · ")),
    );
    this.#seen = make("div", { className: "seen", hidden: true }, (this.canvas = make("canvas")), (this.#overlay = document.createElementNS(SVG, "svg")));
    this.#overlay.setAttribute("preserveAspectRatio", "none");
    this.#figures = make("p", { className: "figures" });
    this.#list = make("ul", { className: "boxes" });
    this.element.append(this.#seen, this.#figures, this.#list);
    place.append(this.element);
    this.context = this.canvas.getContext("2d", { alpha: false });
  }
  #seen; #overlay; #figures; #list;

  say(sentence) {
    this.#figures.textContent = sentence;
  }

  restart() {
    this.#times = [];
  }

  // A frame (anything a canvas draws) of a size, and what was found in it.
  show(frame, width, height, { found, ms }, live) {
    if (this.size[0] !== width || this.size[1] !== height) {
      [this.canvas.width, this.canvas.height] = this.size = [width, height];
      this.#overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.#seen.style.setProperty("--aspect", width / height);
    }
    this.context.drawImage(frame, 0, 0, width, height);
    this.#seen.hidden = false;
    const now = performance.now();
    this.#times = live ? [...this.#times.filter((time) => now - time < RECENT), now] : [];
    [this.found, this.#ms] = [found, ms];
  }

  // Frames a second of the last seconds; null where nothing moves.
  get rate() {
    const times = this.#times;
    return times.length < 3 ? null : ((times.length - 1) * 1000) / (times.at(-1) - times[0]);
  }

  // The detections above a score and of the wanted classes, drawn and listed.
  draw(threshold, isWanted, colorOf) {
    if (this.#ms === null) return;
    const [width, height] = this.size, { classes } = this.model.about;
    const shown = this.found
      .map((one) => ({ ...one, name: classes[one.id - 1] }))
      .filter((one) => one.score > threshold && isWanted(one.name));
    // small ones above large ones, so that each can be pointed at
    const area = ({ box: [top, left, bottom, right] }) => (bottom - top) * (right - left);
    const text = Math.max(11, Math.min(width, height) / 26);
    this.#overlay.replaceChildren(
      ...[...shown].sort((a, b) => area(b) - area(a)).map(({ box: [top, left, bottom, right], name, score }) => {
        const group = document.createElementNS(SVG, "g");
        group.setAttribute("class", "frame");
        group.style.setProperty("--c", colorOf(name));
        const place = { x: left * width, y: top * height, width: (right - left) * width, height: (bottom - top) * height };
        for (const kind of ["under", "line"]) group.append(svg("rect", { class: kind, ...place }));
        const label = svg("text", { x: place.x + text * 0.25, y: Math.max(place.y - text * 0.35, text), style: `font-size: ${text}px` });
        label.textContent = `${name} ${score.toFixed(2)}`;
        group.append(label);
        return group;
      }),
    );
    this.#list.replaceChildren(
      ...shown.map(({ name, score }) => make("li", {}, make("span", {}, make("span", { className: "mark", style: `background: ${colorOf(name)}` }), name), make("b", {}, score.toFixed(2)))),
    );
    const figures = [[shown.length, "found"], [this.#ms.toFixed(0), "ms"]];
    if (this.rate !== null) figures.push([this.rate.toFixed(1), "frames/s"]);
    this.#figures.replaceChildren(...figures.map(([value, unit]) => make("span", {}, make("b", {}, String(value)), ` ${unit}`)));
  }
}

export function make(name, about = {}, ...inside) {
  const element = Object.assign(document.createElement(name), about);
  if (typeof about.style === "string") element.style.cssText = about.style;
  element.append(...inside);
  return element;
}

function svg(name, about) {
  const element = document.createElementNS(SVG, name);
  Object.entries(about).forEach(([key, value]) => element.setAttribute(key, value));
  return element;
}
