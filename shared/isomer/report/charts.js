// Draws the curves of the page's JSON with uPlot, in the colours of the page's theme.
(() => {
  const charts = JSON.parse(document.getElementById("data").textContent);
  const probe = document.body.appendChild(document.createElement("i"));
  const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  const number = (value) => (value == null ? "–" : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3));

  function draw(chart, place) {
    const figure = document.createElement("figure");
    figure.className = "chart";
    const caption = figure.appendChild(document.createElement("figcaption"));
    caption.append(chart.title);
    const readout = caption.appendChild(document.createElement("output"));
    const canvas = figure.appendChild(document.createElement("div"));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${chart.title}: ${chart.series.map((s) => s.label).join(", ")}`);
    place.append(figure);

    const data = uPlot.join(chart.series.map((series) => [series.x, series.y]));
    const fraction = chart.group !== "loss";
    const axis = (extra) => ({
      stroke: colour("--faint"), font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif",
      grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, ...extra,
    });
    const plot = new uPlot({
      width: canvas.clientWidth, height: chart.group === "curves" ? 220 : 270,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      scales: {
        x: { time: false, range: chart.group === "curves" ? [0, 1] : undefined },
        y: { range: fraction ? [0, 1.02] : (_, low, high) => [Math.min(0, low), high * 1.05 || 1] },
      },
      axes: [
        axis({ label: chart.x, labelSize: 18, size: 26, space: 44 }),
        axis({ label: chart.y || undefined, labelSize: 18, size: 40, space: 34 }),
      ],
      series: [{}, ...chart.series.map((series) => ({
        label: series.label, stroke: colour(`--c${series.colour % 6}`), width: 2, spanGaps: true,
        dash: series.dash ? [6, 4] : undefined, points: { show: series.x.length < 3 || chart.group === "quality", size: 5 },
      }))],
      hooks: {
        setCursor: [(u) => {
          readout.replaceChildren();
          if (u.cursor.idx == null) return;
          readout.append(`${chart.x} ${Number(u.data[0][u.cursor.idx].toFixed(2))}`);
          chart.series.forEach((series, index) => {
            // the series have their own steps: read each at the nearest step it has
            const nearest = series.x.reduce((best, x, i) =>
              Math.abs(x - u.data[0][u.cursor.idx]) < Math.abs(series.x[best] - u.data[0][u.cursor.idx]) ? i : best, 0);
            const value = readout.appendChild(document.createElement("b"));
            value.textContent = number(series.y[nearest]);
            value.style.color = colour(`--c${series.colour % 6}`);
          });
        }],
      },
    }, data, canvas);
    return { plot, canvas };
  }

  let drawn = [];
  function drawAll() {
    drawn.forEach(({ plot }) => plot.destroy());
    drawn = [];
    document.querySelectorAll(".charts").forEach((place) => {
      place.replaceChildren();
      const groups = place.dataset.group.split(" ");
      charts.filter((chart) => groups.includes(chart.group)).forEach((chart) => drawn.push(draw(chart, place)));
    });
  }
  drawAll();
  const resize = () => drawn.forEach(({ plot, canvas }) => plot.setSize({ width: canvas.clientWidth, height: plot.height }));
  addEventListener("resize", resize);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  // paper is white whatever the screen is
  const paper = (on) => () => { document.documentElement.classList.toggle("paper", on); drawAll(); };
  addEventListener("beforeprint", paper(true));
  addEventListener("afterprint", paper(false));
})();
