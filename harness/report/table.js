// Sorting by a click on a header, and long tables folded: the page is complete without it.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], fold = +table.dataset.fold;
  [...table.tHead.rows[0].cells].forEach((head, index) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.querySelectorAll("[tabindex]").forEach(term => term.removeAttribute("tabindex"));
    button.onclick = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = head.classList.contains("num");
      const key = row => {
        const cell = row.cells[index], value = cell.dataset.v ?? cell.textContent;
        return numeric ? (value !== "" && isFinite(value) ? +value : null) : value;
      };
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === null || y === null) return (x === null) - (y === null);
        const order = numeric ? x - y : x.localeCompare(y, undefined, {numeric: true});
        return down ? -order : order;
      });
      body.append(...rows);
    };
  });
  if (body.rows.length > fold + 4) {
    table.classList.add("folded");
    table.style.setProperty("--fold", fold);
    [...body.rows].slice(fold).forEach(row => row.classList.add("more"));
    const more = document.createElement("button");
    more.className = "unfold";
    more.textContent = `Show all ${body.rows.length} rows`;
    more.onclick = () => { table.classList.remove("folded"); more.remove(); };
    table.parentElement.after(more);
  }
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(d => { d.open = true; }));
