// The pictures of a page with their boxes, the filters above them, the picture enlarged, and the score threshold that
// moves the points on the curves. Pictures are drawn when they come near.
(() => {
  const place = document.querySelector("[data-gallery]");
  if (!place) return;
  const data = JSON.parse(document.getElementById(place.dataset.gallery).textContent);
  const { classes, colours, detectors, pictures, kinds } = data;
  const [RIGHT, MISSED] = ["right", "missed"];
  const TRUTH = -1, TOGETHER = -2;
  const STEP = 24;
  const single = !detectors.length;
  const state = {
    at: data.threshold, kind: "", category: 0, split: "", view: single ? TRUTH : TOGETHER,
    order: single ? "name" : "telling", most: single ? 48 : 12,
  };

  // ---- boxes: [x, y, width, height, class, score, kind, box it is about] and, of the truth, [x, y, width, height, class, crowd]
  // scores in thousandths, rounded up: so that a box is above a threshold here where it is there
  const score = (box) => box[5] / 1000;
  const above = (boxes) => boxes.filter((box) => box[5] > Math.round(state.at * 1000));
  // which of a picture's boxes nothing found, or hinted at: see mistakes.py
  function missed(picture, boxes) {
    const known = new Set(boxes.filter((box) => data.reaching.includes(box[6]) && box[7] >= 0).map((box) => box[7]));
    return picture.truth.filter((box, index) => !box[5] && !known.has(index));
  }
  const watched = () => (state.view >= 0 ? [state.view] : detectors.map((_, index) => index));

  function isWanted(picture) {
    if (state.split && picture.split !== state.split) return false;
    const ofClass = (box) => !state.category || box[4] === state.category;
    if (!state.kind) {
      if (!state.category) return true;
      const found = state.view === TRUTH ? [] : watched().flatMap((index) => above(picture.found[index]));
      return [...picture.truth, ...found].some(ofClass);
    }
    return watched().some((index) => {
      const boxes = above(picture.found[index]);
      const those = state.kind === MISSED ? missed(picture, boxes) : boxes.filter((box) => kinds[box[6]] === state.kind);
      return those.some(ofClass);
    });
  }

  // ---- elements
  const make = (name, about = {}, ...inside) => {
    const element = document.createElement(name);
    Object.entries(about).forEach(([key, value]) => (key in element && key !== "list" ? (element[key] = value) : element.setAttribute(key, value)));
    element.append(...inside);
    return element;
  };
  const svg = (name, about, parent) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(about).forEach(([key, value]) => element.setAttribute(key, value));
    parent?.append(element);
    return element;
  };

  // ---- a picture's panel: the truth's, or a detector's
  function marks(picture, view) {
    if (view === TRUTH) return picture.truth.map((box) => ({ box, kind: "truth", name: classes[box[4]], text: classes[box[4]], aside: box[5] ? "a crowd" : "ground truth" }));
    const boxes = above(picture.found[view]);
    const found = boxes.map((box) => {
      const kind = kinds[box[6]], sure = score(box).toFixed(2);
      return { box, kind, name: classes[box[4]], text: kind === RIGHT ? sure : `${classes[box[4]]} ${sure}`, aside: `${sure} · ${kind}` };
    });
    const lost = missed(picture, boxes).map((box) => ({ box, kind: MISSED, name: classes[box[4]], text: "", aside: MISSED }));
    return [...lost, ...found];
  }
  const isFaded = ({ box, kind }) =>
    (state.category && box[4] !== state.category) || (state.kind && kind !== "truth" && kind !== state.kind);
  const look = (kind) => (kind === "truth" || kind === RIGHT ? "sure" : kind === MISSED ? MISSED : "wrong");

  function overlay(picture, view, enlarged) {
    const all = marks(picture, view);
    const drawing = svg("svg", { viewBox: `0 0 ${picture.width} ${picture.height}`, preserveAspectRatio: "none", role: "img" });
    const counts = Object.entries(Object.groupBy(all, (mark) => mark.kind)).map(([kind, some]) => `${some.length} ${kind === "truth" ? "boxes" : kind}`);
    drawing.setAttribute("aria-label", `${title(view)}: ${counts.join(", ") || "nothing"}`);
    // small ones above large ones, so that each can be pointed at
    const bySize = [...all].sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
    bySize.forEach((mark) => {
      const [x, y, width, height] = mark.box;
      const group = svg("g", { class: `frame ${look(mark.kind)}${isFaded(mark) ? " faded" : ""}`, style: `--c:${colours[mark.box[4]]}` }, drawing);
      const at = { x, y, width: Math.max(width, 0), height: Math.max(height, 0) };
      svg("rect", { class: "under", ...at }, group);
      svg("rect", { class: "line", ...at, "data-tip": mark.name, "data-aside": mark.aside }, group);
      mark.element = group;
    });
    const few = enlarged ? all.length <= 20 : !single && all.length <= 7;
    if (few) bySize.filter((mark) => mark.text && !isFaded(mark)).forEach((mark) => {
      const [x, y, width, height] = mark.box;
      const right = x > 0.6 * picture.width, low = mark.kind !== RIGHT && mark.kind !== "truth";
      const label = svg("text", { class: right ? "end" : "", x: right ? x + width : x, y: low ? y + height : y, dx: right ? "-.25em" : ".25em", dy: low ? "-.3em" : "1.05em" }, mark.element);
      label.textContent = mark.text;
    });
    return { drawing, all };
  }

  const title = (view) => (view === TRUTH ? "ground truth" : detectors[view].label);
  function panel(picture, view, enlarged) {
    const { drawing, all } = overlay(picture, view, enlarged);
    const image = picture.data
      ? make("img", { src: picture.data, alt: picture.name, decoding: "async", draggable: false })
      : make("span", { className: "unreadable" }, "this picture cannot be read");
    const frame = make("div", { className: "frame-of" }, image, drawing);
    frame.style.aspectRatio = `${picture.width} / ${picture.height}`;
    const line = make("p", {});
    if (view >= 0) {
      const dot = make("i", { className: "mark" });
      dot.style.background = `var(--c${detectors[view].colour % 6})`;
      line.append(dot);
    }
    line.append(title(view));
    if (view >= 0) {
      const count = (kind) => all.filter((mark) => mark.kind === kind).length;
      const lost = count(MISSED), right = count(RIGHT), other = all.length - lost - right;
      line.append(make("small", {}, [`${right} right`, lost ? `${lost} missed` : "", other ? `${other} wrong` : ""].filter(Boolean).join(" · ")));
    }
    const element = make("div", { className: "panel" }, frame);
    if (!single || enlarged) element.append(line);
    return { element, all };
  }
  const views = () => (state.view === TOGETHER ? [TRUTH, ...detectors.map((_, index) => index)] : [state.view]);

  // ---- cards
  const cards = new Map();
  const near = new Set();
  const sight = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
    if (isIntersecting) { near.add(target); fill(target); } else near.delete(target);
  }), { rootMargin: "600px" });

  function card(picture) {
    if (!cards.has(picture)) {
      const panels = make("div", { className: "panels" });
      const caption = make("figcaption", {}, make("span", {}, picture.name));
      if (picture.group) caption.append(make("small", {}, picture.group));
      if (picture.split) caption.append(make("small", {}, picture.split));
      const figure = make("figure", { className: "picture", tabIndex: 0, role: "button", "aria-haspopup": "dialog", "aria-label": `${picture.name}: enlarge` }, panels, caption);
      figure.style.setProperty("--w", picture.width);
      figure.picture = picture;
      figure.stale = true;
      sight.observe(figure);
      cards.set(picture, figure);
    }
    return cards.get(picture);
  }
  // text is drawn in a picture's own pixels: so that it is as large as on the page around it
  function setText(panels, pixels) {
    panels.style.setProperty("--text", Math.max((panels.querySelector(".frame-of")?.clientWidth ?? 0) / pixels, 8));
  }
  function put(figure, elements) {
    const panels = figure.querySelector(".panels");
    panels.style.setProperty("--n", elements.length);
    panels.replaceChildren(...elements);
    setText(panels, 12);
    figure.view = state.view;
  }
  // as large as it will be, so that nothing moves when it is filled
  function keepRoom(figure) {
    if (figure.view === state.view || near.has(figure)) return;
    put(figure, views().map(() => {
      const frame = make("div", { className: "frame-of" });
      frame.style.aspectRatio = `${figure.picture.width} / ${figure.picture.height}`;
      return make("div", { className: "panel" }, frame, ...(single ? [] : [make("p", {}, "\u00a0", make("small", {}, "\u00a0"))]));
    }));
  }
  function fill(figure) {
    if (!figure.stale) return;
    figure.stale = false;
    put(figure, views().map((view) => panel(figure.picture, view, false).element));
  }

  const orders = {
    telling: ["best, typical, worst", (a, b) => a.telling - b.telling],
    worst: ["worst first", (a, b) => b.rank - a.rank],
    best: ["best first", (a, b) => a.rank - b.rank],
    name: ["by name", (a, b) => a.place - b.place],
    boxes: ["most boxes first", (a, b) => b.truth.length - a.truth.length || a.place - b.place],
  };
  pictures.forEach((picture, index) => { picture.place = index; });

  // ---- what is above the pictures
  const bar = make("div", { className: "controls screen" });
  const sum = make("p", { className: "found", role: "status" });
  const grid = make("div", { className: "pictures" });
  const more = make("button", { type: "button", className: "press more screen" });
  place.replaceChildren(bar, sum, grid, more);

  function choice(label, key, options, reset = true) {
    const select = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
    select.value = state[key];
    select.dataset.key = key;
    select.addEventListener("change", () => {
      state[key] = typeof state[key] === "number" ? Number(select.value) : select.value;
      if (reset) state.most = single ? 48 : STEP;
      cards.forEach((figure) => { figure.stale = true; });
      show();
    });
    bar.append(make("label", {}, `${label} `, select));
  }
  const splits = [...new Set(pictures.map((picture) => picture.split))].filter(Boolean);
  if (splits.length > 1) choice("Split", "split", [["", "all"], ...splits.map((name) => [name, name])]);
  const used = new Set(pictures.flatMap((picture) => [...picture.truth, ...picture.found.flat()].map((box) => box[4])));
  const names = classes.map((name, index) => [index, name]).filter(([index]) => used.has(index));
  if (names.length > 1) choice("Class", "category", [[0, "all"], ...names]);
  if (!single) {
    choice("Boxes of", "view", [[TOGETHER, "all, side by side"], ...detectors.map(({ label }, index) => [index, label]), [TRUTH, "the ground truth"]]);
  }
  choice("Order", "order", Object.entries(orders).filter(([key]) => !single || ["name", "boxes"].includes(key)).map(([key, [text]]) => [key, text]));

  const chips = new Map();
  if (!single) {
    const slider = make("input", { type: "range", min: data.floor, max: 0.99, step: 0.01, value: state.at });
    bar.prepend(make("label", { className: "threshold" }, "Score threshold ", slider, make("output", {})));
    const row = make("div", { className: "chips", role: "group", "aria-label": "Pictures by kind of mistake" });
    ["", ...kinds, MISSED].forEach((kind) => {
      const chip = make("button", { type: "button", className: "chip" });
      chip.dataset.kind = kind;
      chip.addEventListener("click", () => {
        state.kind = kind === state.kind ? "" : kind;
        state.most = STEP;
        cards.forEach((figure) => { figure.stale = true; });
        show();
      });
      chips.set(kind, chip);
      row.append(chip);
    });
    bar.append(row);
  }

  function show() {
    const wanted = pictures.filter(isWanted).sort(orders[state.order][1]);
    chips.forEach((chip, kind) => {
      const before = state.kind;
      state.kind = kind;
      const count = pictures.filter(isWanted).length;
      state.kind = before;
      chip.setAttribute("aria-pressed", String(kind === before));
      chip.replaceChildren(...(kind ? [make("i", { className: `kind ${look(kind)}` })] : []), kind || "all", make("small", {}, String(count)));
      chip.hidden = !count && kind !== before && kind !== "";
    });
    grid.className = `pictures p${Math.min(views().length, 4)}`;
    grid.replaceChildren(...wanted.slice(0, state.most).map(card));
    const rest = wanted.length - state.most;
    more.hidden = rest <= 0;
    more.textContent = `Show ${Math.min(rest, STEP)} more of ${rest}`;
    const boxes = single ? "" : `, boxes with scores above ${state.at.toFixed(2)}`;
    sum.textContent = `${wanted.length} of ${pictures.length} ${pictures.length === 1 ? "picture" : "pictures"}${boxes}`;
    if (!wanted.length) sum.textContent = pictures.length ? "No picture is so: choose less above." : "There are no pictures.";
    shown = wanted;
    [...grid.children].forEach(keepRoom);
    near.forEach(fill);
  }
  let shown = [];
  const grow = () => { state.most += STEP; show(); };
  more.addEventListener("click", grow);
  // after the first press more come by themselves
  let pressed = false;
  more.addEventListener("click", () => { pressed = true; });
  new IntersectionObserver(([entry]) => { if (pressed && entry.isIntersecting && !more.hidden) grow(); }, { rootMargin: "400px" }).observe(more);

  // ---- the threshold
  const sliders = [...document.querySelectorAll(".threshold input")];
  function point(detector, category) {
    const of = detector.classes[category];
    const step = Math.round(state.at * 100);
    return of.boxes && of.shown[step] ? [of.right[step] / of.boxes, of.right[step] / of.shown[step]] : null;
  }
  function tellAll() {
    sliders.forEach((slider) => {
      slider.min = data.floor;
      slider.value = state.at;
      slider.nextElementSibling.textContent = state.at.toFixed(2);
    });
    const step = Math.round(state.at * 100);
    const fraction = (part, whole) => (whole ? (part / whole).toFixed(3) : "–");
    detectors.forEach((detector, index) => {
      const all = detector.classes[0];
      const right = all.right[step], seen = all.shown[step];
      const figures = {
        ...Object.fromEntries(Object.entries(detector.kinds).map(([kind, counts]) => [kind, String(counts[step])])),
        precision: fraction(right, seen), recall: fraction(right, all.boxes), F1: fraction(2 * right, seen + all.boxes),
      };
      Object.entries(figures).forEach(([name, text]) => document.querySelectorAll(`[data-figure="${index}:${name}"]`).forEach((cell) => {
        cell.textContent = text;
        cell.closest("td").dataset.value = text === "–" ? "" : text;
      }));
    });
    const points = Object.fromEntries(Object.keys(detectors[0].classes).map((category) => [category, detectors.map((detector) => point(detector, category))]));
    dispatchEvent(new CustomEvent("thresholdchange", { detail: { at: state.at, points } }));
  }
  let waiting = false;
  sliders.forEach((slider) => slider.addEventListener("input", () => {
    state.at = Number(slider.value);
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      cards.forEach((figure) => { figure.stale = true; });
      tellAll();
      show();
      if (dialog.open) enlarge(dialog.picture);
    });
  }));

  // ---- a picture enlarged
  const heading = make("h2", { id: "enlarged" });
  const button = (text, label, act) => { const one = make("button", { type: "button", className: "press", "aria-label": label }, text); one.addEventListener("click", act); return one; };
  const body = make("div", { className: "enlarged" });
  const closing = button("✕", "Close", () => dialog.close());
  closing.autofocus = true;
  const dialog = make("dialog", { "aria-labelledby": "enlarged" }, make("header", {}, heading, make("span", { className: "steps" },
    button("←", "The picture before", () => step(-1)), button("→", "The next picture", () => step(1)), closing)), body);
  document.body.append(dialog);

  function enlarge(picture) {
    dialog.picture = picture;
    heading.textContent = picture.name;
    const size = `${picture.width} × ${picture.height}`;
    heading.append(make("small", {}, [size, picture.split, `${shown.indexOf(picture) + 1} of ${shown.length}`].filter(Boolean).join(" · ")));
    const parts = views().map((view) => panel(picture, view, true));
    body.style.setProperty("--w", picture.width);
    body.style.setProperty("--n", parts.length);
    body.style.setProperty("--aspect", picture.width / picture.height);
    body.replaceChildren(...parts.map(({ element, all }) => {
      const list = make("ul", { className: "boxes" });
      [...all].sort((a, b) => (b.box[5] ?? 0) - (a.box[5] ?? 0)).forEach((mark) => {
        const swatch = make("i", { className: "swatch" });
        swatch.style.background = colours[mark.box[4]];
        const item = make("li", { tabIndex: 0 }, swatch, mark.name, make("small", {}, mark.aside));
        const light = (on) => () => mark.element.classList.toggle("lit", on);
        [["pointerenter", true], ["focus", true], ["pointerleave", false], ["blur", false]].forEach(([event, on]) => item.addEventListener(event, light(on)));
        list.append(item);
      });
      element.append(list);
      return element;
    }));
    if (!dialog.open) dialog.showModal();
    setText(body, 15);
  }
  function step(by) {
    const next = shown[shown.indexOf(dialog.picture) + by];
    if (next) enlarge(next);
  }
  dialog.addEventListener("keydown", (event) => {
    if (event.target.matches("input")) return;
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  // where the reader came to is where the page goes on
  dialog.addEventListener("close", () => { const figure = cards.get(dialog.picture); figure?.focus(); });
  grid.addEventListener("click", (event) => { const figure = event.target.closest(".picture"); if (figure) enlarge(figure.picture); });
  grid.addEventListener("keydown", (event) => {
    if (!event.target.matches(".picture") || !["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    enlarge(event.target.picture);
  });

  // ---- what a box is
  const tip = make("div", { className: "tip", role: "tooltip", hidden: true });
  const point_at = (event) => {
    const box = event.target.closest?.("[data-tip]");
    tip.hidden = !box;
    if (!box) return;
    // a dialog lies above the page: its tip must be inside
    (dialog.open ? dialog : document.body).append(tip);
    tip.replaceChildren(make("b", {}, box.dataset.tip), ` ${box.dataset.aside}`);
    const left = Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(left, 8)}px`;
    tip.style.top = `${event.clientY > innerHeight - 60 ? event.clientY - 40 : event.clientY + 16}px`;
  };
  addEventListener("pointermove", point_at);
  addEventListener("pointerdown", point_at);
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  // paper shows what is drawn: all of the first ones
  addEventListener("beforeprint", () => [...grid.children].forEach(fill));

  if (detectors.length) tellAll();
  show();
  // the first ones are all drawn when there is time: somebody may take a picture of the whole page
  const soon = window.requestIdleCallback ?? ((call) => setTimeout(call, 50));
  const fillNext = () => {
    const figure = [...grid.children].find(({ stale }) => stale);
    if (!figure) return;
    fill(figure);
    soon(fillNext);
  };
  soon(fillNext);
})();
