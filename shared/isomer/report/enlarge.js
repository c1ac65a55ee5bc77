// A picture grows over the whole width when it is pressed, and shrinks when it is pressed again.
(() => {
  const toggle = (figure) => figure.classList.toggle("large");
  document.querySelectorAll(".picture").forEach((figure) => {
    figure.addEventListener("click", () => toggle(figure));
    figure.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(figure); }
    });
  });
})();
