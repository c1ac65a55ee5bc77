// What every page does: the theme that the reader chooses, and tables sorted by the column that is pressed.
(() => {
  const root = document.documentElement;
  const themes = { auto: "as the system", light: "light", dark: "dark" };
  const signs = { auto: "◐", light: "☀", dark: "☾" };
  const button = document.querySelector("button.theme");
  // a page opened from a file may have no storage
  const stored = (value) => {
    try {
      if (value) localStorage.setItem("isomer-theme", value);
      return localStorage.getItem("isomer-theme");
    } catch { return null; }
  };

  function show(theme) {
    root.dataset.theme = theme;
    button.textContent = `${signs[theme]} ${theme}`;
    button.setAttribute("aria-label", `Theme: ${themes[theme]}. Press for the next one`);
    dispatchEvent(new Event("themechange"));
  }
  const first = stored();
  show(first in themes ? first : "auto");
  button.hidden = false;
  button.addEventListener("click", () => {
    const names = Object.keys(themes);
    const next = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
    stored(next);
    show(next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("themechange")));
  // paper is white whatever the screen is
  let before = null;
  addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; dispatchEvent(new Event("themechange")); });
  addEventListener("afterprint", () => { root.dataset.theme = before ?? "auto"; dispatchEvent(new Event("themechange")); });

  const asNumber = (text) => (text === "" || Number.isNaN(Number(text)) ? null : Number(text));
  const isNothing = (cell) => cell.textContent.trim() === "–";
  const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  function sort(table, place, rising) {
    const rows = [...table.tBodies[0].rows];
    const value = (row) => row.cells[place].dataset.value;
    const numbers = rows.every((row) => isNothing(row.cells[place]) || asNumber(value(row)) !== null);
    const compare = (a, b) => (numbers ? asNumber(value(a)) - asNumber(value(b)) : words.compare(value(a), value(b)));
    // what is not known comes last, whichever way is asked for
    rows.sort((a, b) => isNothing(a.cells[place]) - isNothing(b.cells[place]) || (isNothing(a.cells[place]) ? 0 : (rising ? 1 : -1) * compare(a, b)));
    table.tBodies[0].append(...rows);
    [...table.tHead.rows[0].cells].forEach((head, index) =>
      (index === place ? head.setAttribute("aria-sort", rising ? "ascending" : "descending") : head.removeAttribute("aria-sort")));
  }

  document.querySelectorAll("table[data-sortable]").forEach((table) => {
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const press = document.createElement("button");
      press.type = "button";
      press.className = "sort";
      press.append(...head.childNodes);
      head.append(press);
      press.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const sample = [...table.tBodies[0].rows].map((row) => row.cells[place]).find((cell) => !isNothing(cell));
        // figures: the largest first; names: the first letter first
        const start = !sample || asNumber(sample.dataset.value) === null;
        sort(table, place, now ? now !== "ascending" : start);
      });
    });
  });
})();
