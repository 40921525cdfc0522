// The rule of harness/analysis/rule.py and the costs of harness/analysis/cost.py, over the draws that the page
// holds: other limits, traffic, prices and values decide again without a server. No DOM here: tests run it.
const whatIf = (() => {
  const HOURS = 730, SECONDS = HOURS * 3600, POSSIBLE = 0.05, SHARED = 0.25, LIKELY = 0.5, COMPARABLE = 0.5, TENTH = 0.1, SAME = 0.05;
  const APART = 0.975, KIN = 0.5, FAR = 4, MIDDLE = [0.16, 0.84], TAIL = 0.025, ENDS = 2.5;

  // Payload → draws: metric → row → Float64Array, NaN where there is no number.
  function decode(p) {
    const unpacked = c => {
      if (c === null) return new Float64Array(p.num).fill(NaN);
      const bytes = Uint8Array.from(atob(c.q), x => x.charCodeAt(0)), span = c.high - c.low;
      return Float64Array.from({length: p.num}, (_, i) => {
        const q = bytes[2 * i] + 256 * bytes[2 * i + 1];
        return q === 65535 ? NaN : c.low + span * (q / 65534);
      });
    };
    const draws = {};
    for (const [name, columns] of Object.entries(p.draws)) draws[name] = columns.map(unpacked);
    const out = p.out.map(o => ({...o, below: (o.below || []).map(found => found.map(unpacked))}));
    return {...p, draws, out, rows: p.variants.map((_, k) => k), standings: {}};
  }

  const sum = a => { let s = 0; for (let i = 0; i < a.length; i++) s += a[i]; return s; };
  const mean = a => sum(a) / a.length;

  // As numpy's: linear between order statistics.
  const quantile = (values, q) => ordered(Float64Array.from(values).sort(), q);
  function ordered(a, q) {
    const at = q * (a.length - 1), i = Math.floor(at), t = at - i;
    if (i + 1 >= a.length) return a[a.length - 1];
    const step = a[i + 1] - a[i];
    return t >= 0.5 ? a[i + 1] - step * (1 - t) : a[i] + step * t;
  }

  function even(y) {
    const r = Math.round(y);
    return Math.abs(y % 1) === 0.5 && r % 2 ? r - 1 : r;
  }

  // What a row's expression is: arithmetic as trees, of numbers and arrays of draws.
  const BINARY = {
    "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "**": (a, b) => Math.pow(a, b),
    min: (a, b) => (isNaN(a) || isNaN(b) ? NaN : Math.min(a, b)), max: (a, b) => (isNaN(a) || isNaN(b) ? NaN : Math.max(a, b)),
  };
  const UNARY = {neg: a => -a, abs: Math.abs, exp: Math.exp, log: Math.log, sqrt: Math.sqrt};
  function evaluate(node, read, weight) {
    const [op, ...rest] = node;
    if (op === "num") return rest[0];
    if (op === "weight") return weight;
    if (op === "name") return read(rest[0]);
    const [a, b] = rest.map(x => evaluate(x, read, weight));
    if (UNARY[op]) return typeof a === "number" ? UNARY[op](a) : a.map(UNARY[op]);
    const f = BINARY[op], x = typeof a === "number", y = typeof b === "number";
    if (x && y) return f(a, b);
    const n = x ? b.length : a.length, out = new Float64Array(n);
    for (let i = 0; i < n; i++) out[i] = f(x ? a : a[i], y ? b : b[i]);
    return out;
  }

  // A row's draws of a metric under other traffic and prices.
  function reader(p, s, k, pulled = {}) {
    const settings = {qps: s.qps, peak_qps: s.peak_qps, usd_per_hour: s.usd_per_hour}, found = {...pulled};
    const peak = s.peak_qps, scale = p.money && p.money.usd_per_hour ? s.usd_per_hour / p.money.usd_per_hour : 1;
    const read = name => {
      if (name in settings) return settings[name];
      if (name in found) return found[name];
      let d = p.draws[name] && p.draws[name][k];
      if (p.money && name === "cost_per_month_usd") {
        const more = p.money.besides[k], other = more.by_price * scale + more.fixed + more.per_request * s.qps * SECONDS;
        d = p.money.elsewhere[k] ? new Float64Array(p.num).fill(other)
          : (found.throughput || p.draws.throughput[k]).map(t => (Math.max(Math.ceil(even(peak / (t * p.money.headroom) * 1e9) / 1e9), 1) + p.money.spare) * s.usd_per_hour * HOURS + other);
      } else if (p.money && name === "cost_per_million_usd") {
        d = read("cost_per_month_usd").map(m => 1e6 * m / (s.qps * SECONDS));
      } else if (p.money && name === "train_cost_usd" && d) {
        d = d.map(x => x * scale);
      } else if (name === "value" && p.value) {
        d = full(p, evaluate(p.value, read, s.weight));
      }
      return (found[name] = d || new Float64Array(p.num).fill(NaN));
    };
    return read;
  }

  function full(p, x) {
    const out = typeof x === "number" ? new Float64Array(p.num).fill(x) : x.slice();
    for (let i = 0; i < out.length; i++) if (!isFinite(out[i])) out[i] = NaN;
    return out;
  }

  function isSame(one, other) {
    const rounding = 1e-6 * Math.abs(one[0]) + 1e-12;
    return one.every((x, i) => Math.abs(x - other[i]) <= rounding);
  }

  // Whether one is ahead in so many draws that the interval of their difference leaves out zero (harness/analysis/worths.py).
  function apart(one, other, rounding) {
    let above = 0, below = 0;
    for (let i = 0; i < one.length; i++) { const lead = one[i] - other[i]; if (lead > rounding) above++; else if (lead < -rounding) below++; }
    return Math.max(above, below) / one.length > APART;
  }

  // Which rows are not far below the leader (harness/analysis/shrink.py).
  function nearRivals(p, draws) {
    const n = p.num, means = draws.map(mean);
    let leader = 0;
    means.forEach((x, k) => { if (x > means[leader]) leader = k; });
    return draws.map((_, k) => k).filter(k => {
      let s = 0, ss = 0;
      for (let i = 0; i < n; i++) s += draws[leader][i] - draws[k][i];
      for (let i = 0; i < n; i++) ss += (draws[leader][i] - draws[k][i] - s / n) ** 2;
      return means[leader] - means[k] <= FAR * Math.sqrt(ss / n) + 1e-9 * Math.abs(means[leader]);
    });
  }

  // Whether two runtimes of a model are of one opinion (harness/analysis/shrink.py).
  function isKin(one, other) {
    const n = one.length, spread = a => { const m = mean(a); let t = 0; for (let i = 0; i < n; i++) t += (a[i] - m) ** 2; return Math.sqrt(t / n); };
    return spread(one.map((x, i) => x - other[i])) <= KIN * Math.min(spread(one), spread(other));
  }

  // The spreads that are tried, as far as twice the distance between means, and the logarithm of their prior (harness/analysis/shrink.py).
  function grid(p, widest) {
    const units = p.spreads.slice(), n = units.length, last = units[n - 1], step = last / units[n - 2];
    const more = widest > last ? Math.ceil(Math.log(2 * widest / last) / Math.log(step)) : 0;
    for (let k = 1; k <= more; k++) units.push(last * step ** k);
    const at = k => units[Math.min(Math.max(k, 0), units.length - 1)];
    return [units, units.map((x, k) => Math.log((at(k + 1) - at(k - 1)) / (k > 0 && k < units.length - 1 ? 2 : 1) / (1 + (x / p.prior) ** 2)))];
  }

  // Draws of near rivals pulled together as far as their spread is noise.
  function together(p, draws, models) {
    const n = p.num, means = draws.map(mean), sets = [];  // runtimes of one model that answer alike: one opinion
    draws.forEach((_, k) => {
      const twins = sets.find(rows => isSame(draws[rows[0]], draws[k]) || (models[rows[0]] === models[k] && isKin(draws[rows[0]], draws[k])));
      if (twins) twins.push(k); else sets.push([k]);
    });
    const near = sets.map(rows => rows[0]);
    if (near.length < 2) return draws;
    const centre0 = near.map(k => means[k]), noise = near.map((k, j) => draws[k].map(x => x - centre0[j]));
    let variance = noise.map(a => { let t = 0; for (let i = 0; i < n; i++) t += a[i] * a[i]; return t / n; });
    const rounding = 1e-14 * Math.max(...centre0.map(x => x * x));
    if (Math.max(...variance) <= rounding) return draws;
    const top = Math.max(...variance), precision = variance.map(v => 1 / Math.max(v, 1e-6 * top)), all = sum(precision);
    const share = precision.map(x => x / all), common = new Float64Array(n);
    noise.forEach((a, j) => { for (let i = 0; i < n; i++) common[i] += a[i] * share[j]; });
    const own = noise.map(a => a.map((x, i) => x - common[i]));
    variance = own.map((a, j) => {
      let t = 0;
      for (let i = 0; i < n; i++) t += a[i] * a[i];
      const up = Float64Array.from(a).sort(), half = (ordered(up, MIDDLE[1]) - ordered(up, MIDDLE[0])) / 2, lowest = ordered(up, TAIL), highest = ordered(up, 1 - TAIL);
      let least = 0;
      for (let i = 0; i < n; i++) least += Math.min(Math.max(a[i], lowest), highest) ** 2;
      const v = Math.min(Math.max(half * half, least / n / 4), t / n), end = ENDS * Math.sqrt(v);
      for (let i = 0; i < n; i++) a[i] = Math.min(Math.max(a[i], -end), end);
      return v / (1 - share[j]);
    });
    if (Math.max(...variance) <= rounding) return draws;
    const scale = Math.sqrt(quantile(variance, 0.5)) || Math.sqrt(Math.max(...variance));
    const floor = variance.map(v => Math.max(v, 1e-12 * scale * scale));
    const [units, prior] = grid(p, (Math.max(...centre0) - Math.min(...centre0)) / scale), spreads = units.map(x => x * scale);
    const log = spreads.map((spread, g) => {
      const w = floor.map(v => 1 / (spread * spread + v)), total = sum(w);
      const c = sum(w.map((x, j) => x * centre0[j])) / total;
      return 0.5 * sum(w.map(Math.log)) - 0.5 * Math.log(total) - 0.5 * sum(w.map((x, j) => x * (centre0[j] - c) ** 2)) + prior[g];
    });
    const most = Math.max(...log), odds = log.map(x => Math.exp(x - most)), whole = sum(odds);
    let until = 0;
    const steps = odds.map(x => (until += x / whole));
    const result = draws.map(a => a.slice());
    for (let i = 0, g = 0; i < n; i++) {
      while (g < steps.length - 1 && steps[g] < (i + 0.5) / n) g++;
      const t2 = spreads[g] ** 2, w = floor.map(v => 1 / (t2 + v)), c = sum(w.map((x, j) => x * centre0[j])) / sum(w);
      sets.forEach((rows, j) => {
        const kept = variance[j] > 0 ? t2 / (t2 + variance[j]) : 1;
        const x = c + kept * (centre0[j] - c) + common[i] + Math.sqrt(kept) * own[j][i];
        for (const k of rows) result[k][i] = x + (draws[k][i] - draws[rows[0]][i]);
      });
    }
    return result;
  }

  // 1 where all utility is above zero and scatters by shares, -1 where all is below, else 0 (harness/analysis/worths.py).
  function sharedSign(p, utility) {
    const known = p.by_share ? utility.flatMap(u => Array.from(u)).filter(x => !isNaN(x)) : [], sign = known.length ? Math.sign(known[0]) : 0;
    return known.every(x => x * sign > 0) ? sign : 0;
  }

  // Utility without what selecting the best adds; of one that holds a bill quality and load are pulled together
  // one by one, so that bills stay whole machines (harness/analysis/parts.py).
  function shrunk(p, s, reads, utility, rows) {
    const sign = sharedSign(p, utility), scaled = rows.map(k => sign ? utility[k].map(x => sign * Math.log(sign * x)) : utility[k]);
    const result = rows.map(k => utility[k]), near = nearRivals(p, scaled);
    if (near.length < 2) return result;
    // Another runtime of a model that was pulled stays as far behind it.
    const beside = () => {
      rows.forEach((k, j) => {
        const twin = near.includes(j) ? undefined : near.find(i => p.models[rows[i]] === p.models[k] && isKin(scaled[i], scaled[j]));
        if (twin === undefined) return;
        const ours = utility[k], theirs = utility[rows[twin]];
        result[j] = result[twin].map((x, d) => sign ? x * (ours[d] / theirs[d]) : x + (ours[d] - theirs[d]));
      });
      return result;
    };
    if (!p.counts_costs) {
      together(p, near.map(j => scaled[j]), near.map(j => p.models[rows[j]])).forEach((u, i) => { result[near[i]] = sign ? u.map(x => sign * Math.exp(sign * x)) : u; });
      return beside();
    }
    const pulled = near.map(() => ({}));
    for (const name of p.parts) {
      const load = name === "throughput", columns = near.map(j => load ? p.draws.throughput[rows[j]].map(Math.log) : reads[rows[j]](name));
      if (!columns.every(c => c.every(isFinite))) continue;
      together(p, columns, near.map(j => p.models[rows[j]])).forEach((c, i) => { pulled[i][name] = load ? c.map(Math.exp) : c; });
    }
    near.forEach((j, i) => {
      const u = full(p, evaluate(p.objective, reader(p, s, rows[j], pulled[i]), s.weight));
      result[j] = result[j].map((x, d) => isNaN(u[d]) ? x : p.sign * u[d]);
    });
    return beside();
  }

  function bestProbability(p, draws, keeps) {
    const best = new Float64Array(draws.length);
    for (let i = 0; i < p.num; i++) {
      let top = -Infinity;
      for (let k = 0; k < draws.length; k++) if (keeps[k][i] && draws[k][i] > top) top = draws[k][i];
      if (top === -Infinity) continue;
      const least = top - 1e-6 * Math.max(Math.abs(top), 1e-9), winners = [];
      for (let k = 0; k < draws.length; k++) if (keeps[k][i] && draws[k][i] >= least) winners.push(k);
      for (const k of winners) best[k] += 1 / winners.length;
    }
    return best.map(x => x / p.num);
  }

  const HOLDS = {"<=": (x, y) => x <= y, ">=": (x, y) => x >= y, "<": (x, y) => x < y, ">": (x, y) => x > y};

  // Where each draw stands among its row's own: 1 is farthest inside the limit (harness/analysis/selection.py).
  function standing(draws, op) {
    const inside = Float64Array.from(draws, x => isNaN(x) ? -Infinity : op[0] === "<" ? -x : x), up = Float64Array.from(inside).sort(), n = up.length;
    const below = (x, same) => {
      let from = 0, to = n;
      while (from < to) { const mid = (from + to) >> 1; if (up[mid] < x || (same && up[mid] === x)) from = mid + 1; else to = mid; }
      return from;
    };
    return inside.map(x => (below(x, false) + below(x, true)) / (2 * n));
  }

  // Probabilities of keeping limits, less what picking the luckiest of the rows in doubt adds.
  function corrected(together, each, numbers, level, alive, slack) {
    const doubt = together.map((_, k) => k).filter(k => alive[k] && together[k] < 1);
    if (doubt.length < 2 || !doubt.some(k => together[k] >= level)) return together;
    const at = doubt.map(k => {
      let worst = 0;
      each.forEach((x, j) => { if (x[k] < each[worst][k]) worst = j; });
      return slack(numbers[worst], k);
    });
    const order = doubt.map((_, d) => d).sort((a, b) => together[doubt[b]] - together[doubt[a]] || a - b), n = at[0].length;
    const luckiest = new Float64Array(n).fill(-Infinity), found = new Array(order.length);
    for (let place = order.length - 1; place >= 0; place--) {
      const d = order[place], limit = together[doubt[d]] + 1e-12;
      let count = 0;
      for (let i = 0; i < n; i++) { luckiest[i] = Math.max(luckiest[i], at[d][i]); if (luckiest[i] <= limit) count++; }
      found[place] = count / n;
    }
    const result = together.slice();
    let least = Infinity;
    order.forEach((d, place) => { least = Math.min(least, found[place]); result[doubt[d]] = Math.min(least, together[doubt[d]]); });
    return result;
  }

  // Who was not measured to the end and may be the better choice (harness/analysis/uncompared.py).
  function isOut(p, s, o) {
    const wider = p.limits.some((l, j) => /^latency_p(50|90|99)_ms$/.test(l.metric) && l.op[0] === "<" && s.limits[j] > p.today.limits[j]);
    if (o.metrics[0] === "value" && (wider || ["qps", "peak_qps", "usd_per_hour", "weight"].some(x => s[x] !== p.today[x]))) return false;
    const times = o.bill ? leastBill(p, s, o, wider) : 1;
    return p.limits.some((l, j) => o.metrics.includes(l.metric) && (l.op[0] === "<") === o.upper && (o.upper ? s.limits[j] <= o.at * times : s.limits[j] >= o.at));
  }
  function leastBill(p, s, o, wider) {
    const price = p.today.usd_per_hour ? s.usd_per_hour / p.today.usd_per_hour : 1, requests = s.qps / p.today.qps;
    if (o.bill === "train_cost_usd") return price;
    if (wider) return 0;
    let least = price / Math.ceil(Math.round(1e9 / Math.min(s.peak_qps / p.today.peak_qps, 1)) / 1e9);
    if (o.items) least = Math.min(least, 1, o.paid_each ? requests : 1);
    return o.bill === "cost_per_million_usd" ? least / requests : least;
  }

  // Draws in which a row keeps all limits as far as it is known: a p99 is never below a p50.
  function mayHold(p, s, o, read) {
    const held = new Uint8Array(p.num).fill(1);
    p.limits.forEach((limit, j) => {
      const d = read(limit.metric), ok = HOLDS[limit.op], isKnown = !d.every(isNaN), floor = isKnown && p.floors[j].includes(o.row);
      for (let i = 0; i < p.num; i++) {
        if (isKnown ? floor || !ok(d[i], s.limits[j]) : o.below[j].some(b => !isNaN(b[i]) && !ok(b[i], s.limits[j]))) held[i] = 0;
      }
    });
    return held;
  }

  // Its objective, higher is better; where only its bill is not known, that of one machine. null where more is not known.
  function atMost(p, s, o, read) {
    const worth = read => {
      const u = full(p, evaluate(p.objective, read, s.weight)).map(x => p.sign * x);
      return u.some(isNaN) ? null : u;
    };
    const known = worth(read);
    if (known || o.month === null) return known;
    const m = p.money, more = m && m.besides[o.row];
    const month = m ? (1 + m.spare) * s.usd_per_hour * HOURS + more.by_price * (m.usd_per_hour ? s.usd_per_hour / m.usd_per_hour : 1) + more.fixed + more.per_request * s.qps * SECONDS : o.month;
    const [least, dearer] = [1, 2].map(times => {
      const usd = {cost_per_month_usd: times * month, cost_per_million_usd: 1e6 * times * month / (s.qps * SECONDS)}, pulled = {};
      for (const [name, x] of Object.entries(usd)) if (read(name).every(isNaN)) pulled[name] = new Float64Array(p.num).fill(x);
      return worth(reader(p, s, o.row, pulled));
    });
    return least && dearer && !dearer.some((x, i) => x > least[i]) ? least : null;
  }

  // Their names, where the answer waits for them. `named`: its draws of worth, and what does not matter; null where nobody is.
  function waiting(p, s, reads, named) {
    let matters = false;
    const found = p.out.filter(o => {
      if (isOut(p, s, o)) return false;
      let lead = null, held = null;
      if (o.row === null) {
        if (o.ends.some((end, j) => end !== null && (p.limits[j].op[0] === "<" ? end > s.limits[j] : end < s.limits[j]))) return false;
        if (named && o.most !== null && o.most - mean(named.worth) <= named.tolerance()) return false;
      } else {
        held = mayHold(p, s, o, reads[o.row]);
        if (mean(held) < POSSIBLE) return false;
        const most = named && atMost(p, s, o, reads[o.row]);
        lead = most && most.map((x, i) => x - named.worth[i]);
      }
      if (!lead) return matters = true;
      const better = lead.map((x, i) => held[i] && x > named.same ? 1 : 0);
      if (mean(better) < POSSIBLE) return false;
      matters ||= mean(lead.map((x, i) => x * better[i])) > named.tolerance();
      return true;
    });
    return matters ? found.map(o => o.variant) : [];
  }

  // The rule. Settings: qps, peak_qps, usd_per_hour, weight, limits (a number each).
  function decide(p, s, all = true) {
    const n = p.num, count = p.variants.length, price = p.terms.broken_limit;
    const reads = p.rows.map(k => reader(p, s, k));
    const utility = [], means = [], keeps = [], kept = [], limitsHold = [], open = [], expected = [], known = [];
    const together = [], each = p.limits.map(() => []);
    for (const k of p.rows) {
      const u = full(p, evaluate(p.objective, reads[k], s.weight));
      for (let i = 0; i < n; i++) u[i] *= p.sign;
      if (p.barred.includes(k)) u.fill(NaN);
      let total = 0, defined = 0;
      for (let i = 0; i < n; i++) if (!isNaN(u[i])) { total += u[i]; defined++; }
      known.push(defined > 0);
      const m = total / defined, keep = new Uint8Array(n).fill(1), shared = new Uint8Array(n).fill(1);
      p.limits.forEach((limit, j) => {
        const d = reads[k](limit.metric), ok = HOLDS[limit.op], floor = p.floors[j].includes(k);
        let hold = 0;
        for (let i = 0; i < n; i++) {
          const h = ok(d[i], s.limits[j]) && !floor;
          if (h) hold++; else { keep[i] = 0; if (limit.asked === null) shared[i] = 0; }
        }
        each[j].push(hold / n);
      });
      limitsHold.push(sum(keep) / n);
      for (let i = 0; i < n; i++) if (isNaN(u[i])) { keep[i] = 0; shared[i] = 0; u[i] = m; }
      utility.push(u); means.push(m); keeps.push(keep); kept.push(sum(keep) / n); together.push(sum(shared) / n);
      expected.push(known[k] ? m - (price === null ? 0 : price * (1 - kept[k])) : -Infinity);
    }
    const level = price === null ? p.terms.confidence : LIKELY, slack = (j, k) => {
      const {metric, op} = p.limits[j], key = `${metric} ${op} ${k}`, stored = metric in p.draws && !(p.money && metric === "train_cost_usd");
      return stored ? (p.standings[key] ||= standing(reads[k](metric), op)) : standing(reads[k](metric), op);
    };
    const alive = p.rows.map(k => known[k] && kept[k] >= POSSIBLE), sharing = p.limits.map((_, j) => j).filter(j => p.limits[j].asked === null);
    const sure = price === null ? corrected(together, sharing.map(j => each[j]), sharing, level, alive, slack) : together, able = p.rows.map(k => known[k] && sure[k] >= level);
    p.limits.forEach((limit, j) => {
      if (limit.asked !== null) corrected(each[j], [each[j]], [j], limit.asked, alive, slack).forEach((x, k) => { able[k] = able[k] && x >= limit.asked; });
    });
    for (const k of p.rows) open.push(alive[k] && !able[k]);
    const ables = p.rows.filter(k => able[k]), most = Math.max(...ables.map(k => expected[k]));
    const leader = ables.length ? ables.find(k => expected[k] >= most - 1e-6 * Math.abs(most)) : null;
    const lazy = {};
    const best = () => lazy.best ||= (() => {
      const contenders = p.rows.filter(k => able[k] || open[k]), out = new Float64Array(count);
      const found = bestProbability(p, shrunk(p, s, reads, utility, contenders), contenders.map(k => keeps[k]));
      contenders.forEach((k, j) => { out[k] = found[j]; });
      return out;
    })();
    const same = leader === null ? 0 : 1e-6 * Math.abs(means[leader]);
    const tolerance = () => lazy.tolerance ??= p.terms.tolerance !== null ? p.terms.tolerance
      : TENTH * (quantile(utility[leader], 0.975) - quantile(utility[leader], 0.025));
    const twins = (j, k) => isSame(utility[j], utility[k]) || (p.models[j] === p.models[k] && !apart(utility[j], utility[k], 1e-6 * Math.abs(means[j])));
    const likely = k => (lazy.likely ||= {})[k] ??= sum(p.rows.filter(j => Math.abs(means[j] - means[k]) <= tolerance() + same && twins(j, k)).map(j => best()[j]));
    const worth = k => utility[k].map((x, i) => x - (price || 0) * (1 - keeps[k][i]));
    const tied = () => lazy.tied ||= (() => {
      if (leader === null) return [];
      const least = Math.min(POSSIBLE, SHARED * likely(leader)), w = worth(leader);
      const may = ables.filter(k => k !== leader && likely(k) >= least);
      return [leader, ...may.filter(k => { const v = worth(k); return quantile(w.map((x, i) => x - v[i]), 0.025) <= tolerance() + same; })];
    })();
    const named = leader === null ? null : name();
    function name() {
      const least = expected[leader] - tolerance() * (p.weighs_lightness ? TENTH : 1) - same;
      const near = ables.filter(k => expected[k] >= least);
      let left = near.length > 1 ? tied().filter(k => near.includes(k)) : [leader];
      if (left.length > 1 && p.terms.tolerance === null) left = left.filter(k => likely(k) >= COMPARABLE * likely(leader));
      if (left.length > 1) {
        const sure = Math.min(0.95, kept[leader] - 0.02);
        left = left.filter(k => kept[k] >= sure);
        for (const figure of p.figures) left = lowest(figure, left);
      }
      const top = Math.max(...left.map(k => expected[k]));
      let row = left.filter(k => expected[k] >= top - same)[0];
      const passed = new Set([row]);
      for (;;) {
        const better = p.faster.filter(([w, l]) => l === row && tied().includes(w) && !passed.has(w));
        if (!better.length) return row;
        row = better[0][0];
        passed.add(row);
      }
    }
    function lowest(figure, rows) {
      const of = k => {
        if (!figure.name.startsWith("cost_") || !(figure.name in p.draws || p.money)) return figure.of[k] ?? NaN;
        const d = reads[k](figure.name);
        return d.some(isNaN) ? NaN : Float64Array.from(d).sort()[(p.num - 1) / 2];
      };
      const known = rows.filter(k => isFinite(of(k)));
      if (!known.length) return rows;
      const least = Math.min(...known.map(of)), limit = least + Math.max(SAME * Math.abs(least), figure.least);
      return known.filter(k => of(k) <= limit);
    }
    const waits = waiting(p, s, reads, named === null ? null : {worth: worth(named), tolerance, same: 1e-6 * Math.abs(means[named])});
    if (!all) return {named, waits};
    const month = p.money ? p.rows.map(k => { const d = reads[k]("cost_per_month_usd"); return d.some(isNaN) ? null : Float64Array.from(d).sort()[(n - 1) / 2]; }) : null;
    return {named, waits, able, tied: tied(), best: [...best()], feasible: limitsHold, expected, month};
  }

  return {decode, decide};
})();
globalThis.whatIf = whatIf;
