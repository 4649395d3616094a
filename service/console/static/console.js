// Comfort only: every page works without it.
"use strict";

(() => {
  // g, then a letter: to a page. /: to the first field to search in.
  let went = 0;
  document.addEventListener("keydown", (event) => {
    const at = event.target;
    const typing = at.closest("input, textarea, select");
    if (typing) {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && at.form) {
        event.preventDefault();
        at.form.requestSubmit();
      }
      if (event.key === "Escape") at.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      const field = document.querySelector("[data-search]");
      if (field) {
        event.preventDefault();
        field.focus();
        field.select();
      }
    } else if (event.key === "g") {
      went = Date.now();
    } else if (Date.now() - went < 1500) {
      const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
      if (link) link.click();
      went = 0;
    }
  });

  // The threshold: its figures are in the page, so that dragging asks nothing of the server.
  const threshold = () => {
    const slider = document.querySelector("[data-threshold-slider]");
    if (!slider) return;
    const dots = [...document.querySelectorAll("[data-threshold]")];
    const rows = [...document.querySelectorAll("[data-threshold-row]")];
    const show = () => {
      const wanted = Number(slider.value);
      const places = rows.map((row) => Number(row.dataset.thresholdRow));
      const above = places.filter((one) => one >= wanted);
      const chosen = above.length ? Math.min(...above) : Math.max(...places);
      dots.forEach((dot) => {
        const is = Number(dot.dataset.threshold) === chosen;
        dot.classList.toggle("pr-marked", is);
        dot.setAttribute("r", is ? "7" : "4");
      });
      rows.forEach((row) => {
        const is = Number(row.dataset.thresholdRow) === chosen;
        row.classList.toggle("chosen", is);
        if (!is) return;
        document.querySelectorAll("[data-figure]").forEach((figure) => {
          figure.textContent = row.dataset[figure.dataset.figure];
        });
      });
      document.querySelectorAll("[data-wanted]").forEach((one) => {
        one.textContent = String(wanted);
      });
    };
    slider.addEventListener("input", show);
    show();
  };
  document.addEventListener("DOMContentLoaded", threshold);
  document.addEventListener("htmx:afterSettle", threshold);
})();
