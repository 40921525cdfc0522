// The what-if panel: controls around whatIf.decide, the settings in the link's fragment.
(() => {
  const data = document.getElementById("what-if-data"), panel = document.getElementById("what-if-panel");
  if (!data || !panel) return;
  const p = whatIf.decode(JSON.parse(data.textContent)), today = p.today;
  const make = (tag, words = "", attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = words;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const say = x => (x === 0 ? "0" : Math.abs(x) >= 1000 ? Math.round(x).toLocaleString("en") : x.toLocaleString("en", {maximumSignificantDigits: 3}));
  const bill = x => (x < 1000 ? (Math.round(+(100 * x).toFixed(6)) / 100).toFixed(2) : say(x));
  const share = x => (x > 0.99 ? "over 99 %" : x < 0.01 ? "under 1 %" : `${Math.round(100 * x)} %`);
  const nobody = "no variant", nameOf = k => (k === null ? nobody : p.variants[k]);

  // One number that can be moved: key in the link, where it lies in the settings, how the command says it.
  const controls = [];
  if (p.money) {
    controls.push({key: "qps", label: "Traffic, requests per second", set: x => `decision.traffic.qps=${x}`});
    if (!p.peak_follows) controls.push({key: "peak_qps", label: "Peak traffic, requests per second", set: x => `decision.traffic.peak_qps=${x}`});
    controls.push({key: "usd_per_hour", label: "Price of a machine, USD per hour", set: x => `machine.usd_per_hour=${x}`});
  }
  if (today.weight !== null) controls.push({key: "weight", label: p.weight.label, set: x => `decision.value=${p.weight.text.replace(p.weight.mark, x)}`});
  p.limits.forEach((limit, j) => controls.push({key: `limit${j}`, index: j, limit, label: `Limit: ${limit.label} ${limit.op === "<=" || limit.op === "<" ? "at most" : "at least"}${limit.unit ? `, ${limit.unit}` : ""}`}));
  const start = c => (c.index === undefined ? today[c.key] : today.limits[c.index]);
  const values = {};
  const reset = () => controls.forEach(c => { values[c.key] = start(c); });
  reset();
  const settings = (over = {}) => {
    const v = {...values, ...over};
    return {
      qps: v.qps ?? today.qps, // A mean above the peak raises it, as the command would have to.
      peak_qps: p.peak_follows ? v.qps ?? today.qps : Math.max(v.peak_qps ?? today.peak_qps, v.qps ?? today.qps),
      usd_per_hour: v.usd_per_hour ?? today.usd_per_hour, weight: v.weight ?? today.weight,
      limits: p.limits.map((_, j) => v[`limit${j}`]),
    };
  };

  const form = make("form", "", {class: "controls"});
  for (const c of controls) {
    const at = start(c), inside = c.index !== undefined && p.limits[c.index].unit === "" && at > 0 && at < 1;
    const label = make("label", c.label), number = make("input", "", {type: "number", step: "any", min: "0"});
    const range = make("input", "", {type: "range", min: "-100", max: "100", "aria-label": c.label});
    const place = x => (inside ? 200 * x - 100 : at > 0 && x > 0 ? 100 * Math.log10(x / at) : 0);
    const value = y => (inside ? (y + 100) / 200 : +(at * 10 ** (y / 100)).toPrecision(3));
    c.show = () => { number.value = values[c.key]; range.value = place(values[c.key]); };
    range.oninput = () => { values[c.key] = value(+range.value); number.value = values[c.key]; update(); };
    number.oninput = () => { if (number.value !== "" && isFinite(number.value)) { values[c.key] = +number.value; range.value = place(values[c.key]); update(); } };
    if (inside) range.step = "0.2";
    label.append(number);
    if (at > 0) label.append(range);
    form.append(label);
  }
  form.onsubmit = event => event.preventDefault();
  const back = make("button", "Back to the suite's settings", {type: "button", class: "unfold"});
  back.onclick = () => { reset(); controls.forEach(c => c.show()); update(); };
  const said = make("p", "", {class: "lead", role: "status"}), changed = make("p", "", {class: "note"});
  const table = make("table"), scroll = make("div", "", {class: "scroll", tabindex: "0", role: "region", "aria-label": "The variants under these settings"});
  const command = make("pre", "", {tabindex: "0"}), map = make("figure");
  scroll.append(table);
  panel.append(form, back, said, changed, scroll, map, make("p", "The same on the command line:", {class: "note"}), command);
  panel.hidden = false;

  const quoted = x => (/^[\w.=/:-]+$/.test(x) ? x : `'${x.replaceAll("'", "'\\''")}'`);
  function update() {
    const s = settings(), found = whatIf.decide(p, s), moved = controls.filter(c => values[c.key] !== start(c));
    const choice = nameOf(found.named), others = found.tied.filter(k => k !== found.named).map(nameOf);
    said.replaceChildren(found.named === null ? "No variant keeps these limits with enough confidence." : "Ship ");
    if (found.named !== null) said.append(make("strong", choice), others.length ? `, tied with ${others.join(", ")}.` : ".");
    if (found.waits.length) {
      const cut = p.out.some(o => !o.ruled_out && found.waits.includes(o.variant));
      said.prepend(`No decision: ${found.waits.join(", ")} ${found.waits.length > 1 ? "were" : "was"} ${cut ? "not measured to the end" : "ruled out under other limits, measured no further"}, and may be the better choice. Of the others: `);
    }
    if (choice !== p.choice) said.append(` The report's choice is ${p.choice}.`);
    changed.textContent = moved.length
      ? `What you changed: ${moved.map(c => `${c.label[0].toLowerCase()}${c.label.slice(1)}: ${say(values[c.key])} instead of ${say(start(c))}`).join("; ")}.`
      : "Nothing is changed: these are the suite's settings.";
    const heads = ["Variant", "Best with probability", "Keeps all limits", ...(found.month ? ["Cost per month, USD"] : [])];
    const head = make("tr"), body = make("tbody");
    heads.forEach((h, i) => head.append(make("th", h, {scope: "col", ...(i ? {class: "num"} : {})})));
    const order = p.rows.slice().sort((a, b) => (b === found.named) - (a === found.named) || found.best[b] - found.best[a] || found.feasible[b] - found.feasible[a]);
    for (const k of order) {
      const row = make("tr", "", k === found.named ? {class: "chosen"} : {});
      row.append(make("th", p.variants[k], {scope: "row"}), make("td", share(found.best[k]), {class: "num"}), make("td", p.limits.length ? share(found.feasible[k]) : "no limits", {class: "num"}));
      if (found.month) row.append(make("td", found.month[k] === null ? "not known" : bill(found.month[k]), {class: "num"}));
      body.append(row);
    }
    const thead = make("thead");
    thead.append(head);
    table.replaceChildren(thead, body);
    const parts = ["python -m harness recommend", quoted(p.run)];
    const raised = controls.find(c => c.key === "peak_qps" && values[c.key] < s.peak_qps);
    const told = raised && !moved.includes(raised) ? [...moved, raised] : moved;
    for (const c of told) parts.push(c.set ? `--set ${quoted(c.set(c === raised ? s.peak_qps : values[c.key]))}` : `--where ${quoted(`${c.limit.metric} ${c.limit.op} ${values[c.key]}${c.limit.with}`)}`);
    command.textContent = parts.join(" ");
    drawMap(s);
    const link = moved.length ? `#what-if:${moved.map(c => `${c.key}=${values[c.key]}`).join("&")}` : "#what-if";
    if (ready) try { history.replaceState(null, "", link); } catch { /* a page in a frame keeps its address */ }
  }

  // Who is named over price and traffic around these settings; letters and borders, not colour alone.
  function drawMap(s) {
    if (!p.money) return;
    const steps = 9, at = i => 10 ** ((i - 4) / 4), cells = [], seen = [];
    for (let y = steps - 1; y >= 0; y--) for (let x = 0; x < steps; x++) {
      const t = at(y), c = 3 ** ((x - 4) / 4);
      const found = whatIf.decide(p, {...s, qps: s.qps * t, peak_qps: s.peak_qps * t, usd_per_hour: s.usd_per_hour * c}, false);
      const k = found.waits.length ? null : found.named;
      if (!seen.includes(k)) seen.push(k);
      cells.push(k);
    }
    const grid = make("div", "", {class: "grid", role: "img"});
    cells.forEach((k, i) => {
      const cell = make("span", k === null ? "–" : String.fromCharCode(65 + seen.indexOf(k)), i === 40 ? {class: "here"} : {});
      if (k !== null) cell.style.setProperty("--c", p.colours[k]);
      grid.append(cell);
    });
    const key = seen.map(k => (k === null ? `–: no variant${p.out.length ? ", or no decision" : ""}` : `${String.fromCharCode(65 + seen.indexOf(k))}: ${p.variants[k]}`)).join("; ");
    grid.setAttribute("aria-label", `The choice over price and traffic. ${key}.`);
    map.replaceChildren(grid, make("figcaption", `Left to right: a third to three times the price; bottom to top: a tenth to ten times the traffic. The ringed cell is where you are. ${key}.`));
  }

  let ready = false;
  function fromLink() {
    const [name, list = ""] = decodeURIComponent(location.hash.slice(1)).split(":");
    if (name !== "what-if") return;
    reset();
    for (const part of list.split("&")) {
      const [key, text] = part.split("="), c = controls.find(x => x.key === key);
      if (c && text !== "" && isFinite(text)) values[key] = +text;
    }
    document.getElementById("what-if").scrollIntoView();
  }
  fromLink();
  controls.forEach(c => c.show());
  update();
  ready = true;
  addEventListener("hashchange", () => { fromLink(); controls.forEach(c => c.show()); update(); });
})();
