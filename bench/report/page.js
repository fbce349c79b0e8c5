"use strict";
// Tables are whole without this script; with it a column's head sorts, and the address names the sorted view.
(() => {
  const root = document.documentElement;
  const themes = ["", "light", "dark"];
  const names = { "": "as the system", light: "light", dark: "dark" };
  const theme = document.getElementById("theme");
  const choose = (name) => {
    if (name) root.dataset.theme = name;
    else delete root.dataset.theme;
    theme.textContent = "Theme: " + names[name];
  };
  const kept = () => {
    try { return localStorage.getItem("twinbench-theme") || ""; } catch { return ""; } // storage may be forbidden
  };
  const keep = (name) => {
    try { localStorage.setItem("twinbench-theme", name); } catch { /* the choice then holds for this view alone */ }
  };
  const asked = new URLSearchParams(location.search).get("theme");
  choose(themes.includes(asked) ? asked : themes.includes(kept()) ? kept() : "");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme || "") + 1) % themes.length];
    choose(next);
    keep(next);
  });

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.order === undefined ? null : Number(cell.dataset.order);
  };
  const sort = (table, column, down) => {
    const heads = table.tHead.rows[0].cells;
    const body = table.tBodies[0];
    const sign = down ? -1 : 1;
    const numeric = heads[column].classList.contains("number");
    const rows = [...body.rows].sort((a, b) => {
      if (!numeric) {
        return sign * a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en", { numeric: true });
      }
      const [first, second] = [value(a, column), value(b, column)];
      const [missing, other] = [first === null || isNaN(first), second === null || isNaN(second)];
      if (missing || other) return missing - other; // what has no value is last either way
      return sign * (first - second);
    });
    body.append(...rows);
    [...heads].forEach((head, place) => {
      if (place === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  };
  for (const table of document.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.title = "Sort by this column";
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        sort(table, column, down);
        history.replaceState(null, "", `#sort=${table.id}:${column + 1}${down ? ":down" : ""}`);
      });
      head.replaceChildren(button);
    });
  }
  const view = /^#sort=([\w.@-]+):(\d+)(:down)?$/.exec(location.hash);
  const table = view && document.getElementById(view[1]);
  if (table && table.tHead && table.tHead.rows[0].cells[view[2] - 1]) {
    sort(table, view[2] - 1, Boolean(view[3]));
    table.scrollIntoView();
  }
})();
