// Draws the page's charts with uPlot, in the colours of the theme. A chart that is linked to a gallery's threshold shows
// where on its curves that threshold is.
(() => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.hidden = true;
  const css = (colour) => { probe.style.color = colour; return getComputedStyle(probe).color; };
  const palette = (place) => css(typeof place === "number" ? `var(--c${place % 6})` : place);
  const short = (value) => (value == null ? "" : Math.abs(value) >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3))));
  const number = (value) => (value == null ? "–" : short(value));
  const font = "12px system-ui, sans-serif";

  // the series have their own steps: read each at the nearest one it has
  const nearest = (series, x) => series.x.reduce((best, value, i) => (Math.abs(value - x) < Math.abs(series.x[best] - x) ? i : best), 0);

  function draw(place) {
    const { chart, canvas, readout } = place;
    const data = uPlot.join(chart.series.map((series) => [series.x, series.y]));
    const axis = (extra) => ({
      stroke: css("var(--faint)"), font, labelFont: font,
      grid: { stroke: css("var(--line)"), width: 1 }, ticks: { show: false },
      values: (_, splits) => splits.map(short), ...extra,
    });
    const points = (u) => {
      (place.points ?? []).forEach((point, index) => {
        if (!point) return;
        const x = u.valToPos(point[0], "x", true), y = u.valToPos(point[1], "y", true);
        u.ctx.save();
        u.ctx.beginPath();
        u.ctx.arc(x, y, 5 * devicePixelRatio, 0, 2 * Math.PI);
        u.ctx.fillStyle = palette(chart.series[index].colour);
        u.ctx.strokeStyle = css("var(--ground)");
        u.ctx.lineWidth = 2 * devicePixelRatio;
        u.ctx.fill();
        u.ctx.stroke();
        u.ctx.restore();
      });
    };
    const marks = (u) => {
      u.ctx.save();
      u.ctx.strokeStyle = css("var(--faint)");
      u.ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      u.ctx.beginPath();
      for (const mark of chart.marks) {
        const x = u.valToPos(mark, "x", true);
        if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
        u.ctx.moveTo(x, u.bbox.top);
        u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
      }
      u.ctx.stroke();
      u.ctx.restore();
    };
    return new uPlot({
      width: canvas.clientWidth || 300, height: chart.square ? 230 : 270,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      scales: {
        x: { time: false, distr: chart.log ? 3 : 1, range: chart.square ? [0, 1.01] : undefined },
        y: { range: chart.fraction ? [0, 1.02] : (_, low, high) => [Math.min(0, low ?? 0), (high ?? 0) * 1.05 || 1] },
      },
      axes: [
        axis({ label: chart.x || undefined, labelSize: 18, size: 26, space: 44 }),
        axis({ label: chart.y || undefined, labelSize: 18, size: 46, space: 34 }),
      ],
      series: [{}, ...chart.series.map((series) => ({
        label: series.label, stroke: palette(series.colour), width: 2, spanGaps: true,
        dash: series.dash ? [6, 4] : undefined, points: { show: chart.points || series.x.length < 3, size: 5 },
      }))],
      hooks: {
        draw: [marks, points],
        setCursor: [(u) => {
          readout.replaceChildren();
          if (u.cursor.idx == null) return;
          const x = u.data[0][u.cursor.idx];
          readout.append(`${chart.x} ${Number(x.toFixed(2))}`);
          chart.series.forEach((series) => {
            const value = readout.appendChild(document.createElement("b"));
            value.textContent = number(series.y[nearest(series, x)]);
            value.style.color = palette(series.colour);
          });
        }],
      },
    }, data, canvas);
  }

  const places = [...document.querySelectorAll("[data-chart]")].map((figure) => {
    const chart = JSON.parse(figure.dataset.chart);
    const readout = figure.querySelector("figcaption").appendChild(document.createElement("output"));
    const canvas = figure.appendChild(document.createElement("div"));
    canvas.className = "canvas";
    const last = (series) => number(series.y.findLast((value) => value != null));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${chart.title}: ${chart.series.map((series) => `${series.label}, at the end ${last(series)}`).join("; ")}`);
    return { figure, chart, canvas, readout, plot: null };
  });
  const redraw = (place) => { place.plot?.destroy(); place.plot = draw(place); };
  // charts far down are drawn when they come near, or there is time: somebody may take a picture of the whole page
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    seen.unobserve(entry.target);
    redraw(places.find((place) => place.canvas === entry.target));
  }), { rootMargin: "400px" });
  places.forEach((place) => seen.observe(place.canvas));
  const soon = window.requestIdleCallback ?? ((call) => setTimeout(call, 50));
  const drawNext = () => {
    const place = places.find(({ plot }) => !plot);
    if (!place) return;
    seen.unobserve(place.canvas);
    redraw(place);
    soon(drawNext);
  };
  soon(drawNext);
  const drawn = () => places.filter((place) => place.plot);
  addEventListener("resize", () => drawn().forEach(({ plot, canvas }) => plot.setSize({ width: canvas.clientWidth, height: plot.height })));
  addEventListener("themechange", () => drawn().forEach(redraw));
  addEventListener("beforeprint", () => places.forEach(redraw));
  // points: by class name ("" for all classes), one [recall, precision] or null for each series
  addEventListener("thresholdchange", ({ detail }) => places.filter(({ chart }) => chart.link != null).forEach((place) => {
    place.points = detail.points[place.chart.link];
    place.figure.dataset.points = JSON.stringify(place.points ?? []);
    place.plot?.redraw(false);
  }));
})();
