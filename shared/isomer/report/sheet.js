// Shows only pictures of the class whose name is pressed, all of them when it is pressed again.
(() => {
  const chips = document.querySelectorAll(".chip");
  chips.forEach((chip) => chip.addEventListener("click", () => {
    const on = chip.getAttribute("aria-pressed") !== "true";
    chips.forEach((other) => other.setAttribute("aria-pressed", String(on && other === chip)));
    document.querySelectorAll(".sheet .picture").forEach((figure) => {
      figure.hidden = on && !figure.dataset.classes.split(" ").includes(chip.dataset.class);
    });
  }));
})();
