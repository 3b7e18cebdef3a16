"use strict";
(function () {
  const report = JSON.parse(document.getElementById("report").textContent);

  // All text goes in as text: what a database holds is never markup.
  function make(tag, attributes, ...children) {
    const svg = ["svg", "g", "rect", "line", "text", "title", "circle", "path"].includes(tag);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key === "on") node.addEventListener("click", value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children.flat()) if (child !== null && child !== undefined && child !== "") node.append(child);
    return node;
  }
  const number = new Intl.NumberFormat("en-US");
  const count = (n) => number.format(n);
  function duration(us) {
    const three = (value) => Number(value.toPrecision(3)).toString();
    if (us < 1e6) return three(us / 1000) + " ms";
    if (us < 1e8) return three(us / 1e6) + " s";
    const seconds = Math.round(us / 1e6);
    return Math.floor(seconds / 60) + " min " + seconds % 60 + " s";
  }
  const percent = (share) => (share <= 0 ? "0 %" : share < 0.001 ? "<0.1 %" : Number((share * 100).toPrecision(2)) + " %");
  const factor = (value) => (value > 0 ? (value >= 100 ? value.toFixed(0) : value.toPrecision(3)) + "x" : "-");
  const titles = {
    "broken": "Broken", "different": "Different results", "slower": "Slower", "new-slow": "New and slow",
    "over-budget": "Over budget", "more-work": "More work", "blocked": "Blocked",
    "transient": "Only until VACUUM (ANALYZE)", "warning": "Warning", "new": "New", "faster": "Faster",
    "unchanged": "Unchanged", "cannot-evaluate": "Cannot evaluate", "ignored": "Ignored",
  };
  const title = (type) => titles[type] || type;

  // A chart that a phone would shrink to nothing is drawn as wide as its screen instead.
  const fitting = (width, around) => Math.max(260, Math.min(width, window.innerWidth - around));

  // --- Charts: two lanes on one logarithmic axis.
  function ticks(low, high) {
    const found = [];
    const wide = Math.log10(high / low) > (window.innerWidth < 600 ? 1.2 : 2.5);
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); ++power) {
      for (const digit of wide ? [1] : [1, 2, 5]) {
        const value = digit * 10 ** power;
        if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
      }
    }
    return found;
  }
  function latencyChart(before, after, names) {
    const width = fitting(520, 60), left = 78, right = 12, row = 30;
    const values = [before.p50_us, before.p95_us, before.p99_us, after.p50_us, after.p95_us, after.p99_us].filter((v) => v > 0);
    if (!values.length) return null;
    const low = Math.min(...values) / 1.6, high = Math.max(...values) * 1.6;
    const x = (value) => left + (width - left - right) * Math.log(Math.max(value, low) / low) / Math.log(high / low);
    const lanes = [["before", before, names[0]], ["after", after, names[1]]];
    const chart = make("svg", { viewBox: `0 0 ${width} ${row * 2 + 26}`, width, role: "img", "aria-label":
      lanes.map(([, lane, name]) => `${name}: median ${duration(lane.p50_us)}, 95 % ${duration(lane.p95_us)}, 99 % ${duration(lane.p99_us)}`).join("; ") });
    for (const tick of ticks(low, high)) {
      chart.append(make("line", { class: "axis", x1: x(tick), x2: x(tick), y1: 0, y2: row * 2 + 8 }));
      chart.append(make("text", { x: x(tick), y: row * 2 + 21, "text-anchor": "middle" }, duration(tick)));
    }
    lanes.forEach(([kind, lane, name], i) => {
      const y = i * row + 14;
      const told = `${name}: median ${duration(lane.p50_us)}, 95 % ${duration(lane.p95_us)}, 99 % ${duration(lane.p99_us)}`;
      chart.append(make("text", { x: 0, y: y + 4 }, name));
      chart.append(make("g", {}, make("title", {}, told),
        make("line", { class: kind + " line", x1: x(lane.p50_us), x2: x(lane.p99_us), y1: y, y2: y, "stroke-width": 3 }),
        make("rect", { class: kind, x: x(lane.p50_us) - 4, y: y - 9, width: 8, height: 18, rx: 2 }),
        make("circle", { class: kind, cx: x(lane.p95_us), cy: y, r: 5 }),
        make("circle", { class: kind, cx: x(lane.p99_us), cy: y, r: 3 })));
    });
    return make("div", {}, chart, make("p", { class: "legend" }, "bar: median, large dot: 95 %, small dot: 99 %; logarithmic"));
  }
  // How latencies are spread: a row of bars for each lane, on one logarithmic axis of buckets that are a quarter of
  // a doubling wide. The same in numbers for whoever cannot see it.
  const laneNames = { baseline: "before", captured: "captured", candidate: "after", fixed: "with the fix" };
  const laneClass = { baseline: "before", captured: "before", candidate: "after", fixed: "fixed" };
  const bucketLow = (bucket) => 2 ** (bucket / 4);
  function quantileOf(buckets, share) {
    const all = buckets.reduce((sum, [, n]) => sum + n, 0);
    let seen = 0;
    for (const [bucket, n] of buckets) { seen += n; if (seen >= all * share) return bucketLow(bucket + 0.5); }
    return 0;
  }
  const rounded = (us) => duration(Number(us.toPrecision(2)));
  const spreadText = (lane) => `${laneNames[lane.lane]}: half within ${rounded(quantileOf(lane.buckets, 0.5))}, 99 % within ${rounded(quantileOf(lane.buckets, 0.99))}, of ${count(lane.buckets.reduce((sum, [, n]) => sum + n, 0))}`;
  function spreadOf(pattern, finding) {
    const lanes = ((pattern && pattern.latencies) || []).filter((lane) => laneNames[lane.lane] && lane.buckets.length);
    const fix = finding && (report.fixes || []).find((one) => one.findings[0] === finding.id && (one.latencies || []).length);
    return fix ? [...lanes, ...fix.latencies.filter((lane) => lane.lane === "fixed" && lane.buckets.length)] : lanes;
  }
  function spreadBars(lanes, width, row, left, right) {
    const low = Math.min(...lanes.map((lane) => lane.buckets[0][0])) - 1;
    const high = Math.max(...lanes.map((lane) => lane.buckets[lane.buckets.length - 1][0])) + 2;
    const step = (width - left - right) / (high - low);
    const x = (bucket) => left + (bucket - low) * step;
    const bars = lanes.map((lane, i) => {
      const all = lane.buckets.reduce((sum, [, n]) => sum + n, 0), most = Math.max(...lane.buckets.map(([, n]) => n));
      return make("g", { class: laneClass[lane.lane] }, make("title", {}, spreadText(lane)), lane.buckets.map(([bucket, n]) => {
        const height = Math.max(1.5, (row - 8) * n / most);
        return make("rect", { x: x(bucket).toFixed(2), y: (i * row + row - 2 - height).toFixed(2), width: Math.max(1, step - 0.6).toFixed(2), height: height.toFixed(2) },
          make("title", {}, `${laneNames[lane.lane]}: ${count(n)} of ${count(all)} took ${rounded(bucketLow(bucket))} to ${rounded(bucketLow(bucket + 1))}`));
      }));
    });
    return { bars, x, low: bucketLow(low), high: bucketLow(high) };
  }
  function spreadChart(lanes) {
    const width = fitting(520, 60), row = 40, left = 84, right = 14, bottom = row * lanes.length;
    const drawn = spreadBars(lanes, width, row, left, right);
    const chart = make("svg", { class: "spread", viewBox: `0 0 ${width} ${bottom + 22}`, width, role: "img", "aria-label": "Latencies. " + lanes.map(spreadText).join("; ") });
    for (const tick of ticks(drawn.low, drawn.high)) {
      const at = drawn.x(4 * Math.log2(tick));
      if (at < left + 12 || at > width - right - 12) continue;
      chart.append(make("line", { class: "axis", x1: at, x2: at, y1: 0, y2: bottom }), make("text", { x: at, y: bottom + 16, "text-anchor": "middle" }, duration(tick)));
    }
    lanes.forEach((lane, i) => {
      const middle = drawn.x(4 * Math.log2(quantileOf(lane.buckets, 0.5))), base = i * row + row - 2;
      chart.append(make("text", { x: 0, y: base - 10 }, laneNames[lane.lane]), make("line", { class: "base", x1: left, x2: width - right, y1: base, y2: base }),
        drawn.bars[i], make("line", { class: "median", x1: middle, x2: middle, y1: i * row + 3, y2: base }));
    });
    const table = make("details", { class: "numbers" }, make("summary", {}, "In numbers"), make("table", {},
      make("thead", {}, make("tr", {}, ["lane", "half within", "90 % within", "99 % within", "measured"].map((name, i) => make("th", { scope: "col", class: i ? "number" : null }, name)))),
      make("tbody", {}, lanes.map((lane) => make("tr", {}, make("th", { scope: "row" }, laneNames[lane.lane]),
        [0.5, 0.9, 0.99].map((share) => make("td", { class: "number" }, rounded(quantileOf(lane.buckets, share)))),
        make("td", { class: "number" }, count(lane.buckets.reduce((sum, [, n]) => sum + n, 0))))))));
    return make("figure", {}, chart, make("figcaption", { class: "legend" }, "how many executions took how long; line: median; logarithmic"), table);
  }
  // One pattern in a table: before and after on top of each other.
  function sparkline(pattern) {
    const lanes = spreadOf(pattern).slice(0, 2);
    if (!lanes.length) return null;
    return make("svg", { class: "spark", viewBox: "0 0 120 36", width: 120, height: 36, role: "img", "aria-label": lanes.map(spreadText).join("; ") }, spreadBars(lanes, 120, 18, 0, 0).bars);
  }
  function workTable(work) {
    const kinds = [["blocks", "blocks touched"], ["spilled_blocks", "blocks spilled to disk"], ["wal_bytes", "bytes of WAL"], ["rows", "rows"]];
    const rows = kinds.filter(([key]) => work.before[key] || work.after[key]);
    if (!rows.length) return null;
    return make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "one execution"), make("th", { class: "number", scope: "col" }, "before"), make("th", { class: "number", scope: "col" }, "after"))),
      make("tbody", {}, rows.map(([key, name]) => make("tr", {}, make("td", {}, name),
        make("td", { class: "number" }, count(work.before[key])), make("td", { class: "number" }, count(work.after[key]))))));
  }
  // Where to look: the node that costs most by itself, and nodes that the other lane's plan does not have. Said in
  // words as well, for whoever does not see the colour.
  function planPre(lines, other, costliest) {
    const shape = (line) => line.split("  ").filter(Boolean)[0];
    const known = new Set(other.map((line) => shape(line.trim())));
    return make("pre", { class: "plan", tabindex: 0 }, lines.map((line, i) => {
      const isNew = other.length > 0 && !known.has(shape(line.trim()));
      const marks = [i === costliest ? "costs most" : "", isNew ? "only here" : ""].filter(Boolean).join(", ");
      // Behind the name of the node: numbers and conditions may run out of sight.
      const name = line.match(/^ *\S.*?(?=  |$)/);
      const end = name ? name[0].length : line.length;
      return make("span", { class: i === costliest ? "costliest" : isNew ? "guilty" : null }, line.slice(0, end), marks ? make("em", {}, " ◀ " + marks) : null, line.slice(end) + "\n");
    }));
  }
  function planColumns(plan) {
    if (!plan || (!plan.baseline.length && !plan.candidate.length)) return null;
    return make("details", { open: true }, make("summary", {}, "Plans, with the parameters of one execution"),
      make("div", { class: "columns" },
        make("div", {}, make("h4", {}, "before"), plan.baseline.length ? planPre(plan.baseline, plan.candidate, plan.baseline_costliest) : make("p", {}, "does not run")),
        make("div", {}, make("h4", {}, "after"), plan.candidate.length ? planPre(plan.candidate, plan.baseline, plan.candidate_costliest) : make("p", {}, "does not run"))));
  }
  // Wider than a small screen: then the keyboard scrolls it too.
  function scroller(table) { return make("div", { class: "tablewrap", tabindex: 0, role: "group", "aria-label": "table" }, table); }
  // In the order of columns, of which two may have one name; older reports do not tell those apart.
  function cellsOf(row, columns) {
    const cells = row.cells || [];
    let next = 0;
    return columns.map((name, i) => {
      const cell = cells[next];
      if (!cell || (cell.at === undefined ? cell.column !== name : cell.at !== i)) return null;
      ++next;
      return cell;
    });
  }
  function rowsTable(rows) {
    if (!rows) return null;
    const columns = (rows.columns || []).map((column) => column.name);
    const key = rows.values ? rows.key || [] : [];
    return make("details", { open: true }, make("summary", {}, `Rows that differ: ${count(rows.changed)} changed, ${count(rows.gone)} gone, ${count(rows.added)} added, ${count(rows.moved)} moved`),
      scroller(make("table", {},
        make("thead", {}, make("tr", {}, ["row", "", ...key, ...columns].map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, rows.sample.map((row) => make("tr", {},
          make("td", {}, row.before === row.after ? String(row.before) : `${row.before || "–"} → ${row.after || "–"}`), make("td", {}, row.change),
          key.map((_, i) => make("td", {}, (row.key || [])[i] || "")),
          cellsOf(row, columns).map((cell) => {
            if (!cell) return make("td", {}, "");
            const side = (isNull, text) => (isNull ? "NULL" : rows.values ? text : "value");
            return make("td", {}, `${side(cell.null_before, cell.before)} → ${side(cell.null_after, cell.after)}`);
          })))))));
  }

  const patternOf = new Map((report.patterns || []).map((pattern) => [pattern.fingerprint, pattern]));
  function latencyPicture(finding, names) {
    const spread = spreadOf(patternOf.get(finding.fingerprint), finding);
    if (spread.length > 1) return spreadChart(spread);
    return finding.latency ? latencyChart(finding.latency.before, finding.latency.after, names) : null;
  }
  function findingCard(finding) {
    const names = finding.type === "new" || finding.type === "new-slow" ? ["captured", "after"] : ["before", "after"];
    const facts = [`${count(finding.affected)} of ${count(finding.calls)} calls`, finding.share > 0 ? percent(finding.share) + " of the time" : ""];
    if (finding.latency) {
      let text = `${duration(finding.latency.before.p50_us)} → ${duration(finding.latency.after.p50_us)}, ${factor(finding.latency.factor)}`;
      if (finding.latency.factor_high > 0) text += ` (99 %: ${factor(finding.latency.factor_low)} to ${factor(finding.latency.factor_high)})`;
      facts.unshift(text);
    }
    if (finding.sqlstate) facts.unshift(finding.sqlstate);
    return make("article", { id: finding.id, "aria-labelledby": finding.id + "-name", "data-type": finding.type },
      make("header", {}, make("h3", { id: finding.id + "-name" }, title(finding.type)),
        make("span", { class: "tag " + (finding.gates ? "gates" : "told") }, finding.gates ? "gates" : "told"),
        make("span", { class: "facts" }, facts.filter(Boolean).map((fact) => make("span", {}, fact))),
        make("a", { class: "anchor", href: "#" + finding.id, "aria-label": "link to this finding" }, finding.id)),
      make("code", { class: "sql" }, finding.pattern),
      finding.reasons.length ? make("ul", { class: "reasons" }, finding.reasons.map((reason) => make("li", {}, reason))) : null,
      (finding.advice || []).length ? make("p", {}, "Advice, not tried:") : null,
      (finding.advice || []).length ? make("ul", { class: "reasons" }, finding.advice.map((one) => make("li", {}, one))) : null,
      finding.plan && finding.plan.sentence ? make("p", {}, finding.plan.sentence) : null,
      finding.latency || finding.work ? latencyPicture(finding, names) : null,
      finding.work ? workTable(finding.work) : null,
      rowsTable(finding.rows), planColumns(finding.plan),
      finding.example ? make("details", {}, make("summary", {}, "Example"), make("code", { class: "sql" }, finding.example)) : null);
  }

  // --- Tables that sort and filter.
  function sortable(columns, items, row, initial) {
    let order = initial, down = true;
    const body = make("tbody", {});
    const heads = columns.map((column) => make("th", { scope: "col", class: column.number ? "number" : null }, !column.key ? column.title :
      make("button", { type: "button", on: () => { down = order === column.key ? !down : Boolean(column.number); order = column.key; draw(items.filter(shown)); } }, column.title)));
    let shown = () => true;
    function draw(list) {
      const sorted = [...list].sort((a, b) => {
        const left = a[order], right = b[order];
        const compared = typeof left === "number" ? left - right : String(left).localeCompare(String(right));
        return down ? -compared : compared;
      });
      heads.forEach((head, i) => {
        if (columns[i].key && columns[i].key === order) head.setAttribute("aria-sort", down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      body.replaceChildren(...sorted.map(row));
    }
    draw(items);
    return {
      node: scroller(make("table", {}, make("thead", {}, make("tr", {}, heads)), body)),
      filter(test) { shown = test; const list = items.filter(test); draw(list); return list.length; },
    };
  }

  const main = document.querySelector("main");
  const section = (name, id, ...children) => {
    const parts = children.flat().filter(Boolean);
    if (parts.length) main.append(make("section", { "aria-labelledby": id }, make("h2", { id }, name), parts));
  };
  const facts = (list) => make("p", { class: "facts" }, list.filter(Boolean).map((fact) => make("span", {}, fact)));

  // --- Head.
  const kind = { safe: "safe", regressions: "regressions", inconclusive: "inconclusive" }[report.verdict] || "failed";
  document.title = `scry: ${report.verdict}`;
  document.querySelector("header.top").append(
    make("h1", {}, make("span", { class: "verdict " + kind }, report.verdict.toUpperCase()), " " + report.sentence),
    facts([report.migration && report.migration.command, report.shadow && "on a fork of " + report.shadow,
      report.tested.statements ? `${count(report.tested.statements)} statements of ${count(report.tested.sessions)} sessions` : "nothing was replayed",
      report.tested.statements ? `fidelity ${Math.floor(report.tested.fidelity * 1000) / 10} %` : "", "exit status " + report.exit_status]));

  // "Statement 3 of the migration, db/3.sql:12".
  function statementName(cause) {
    const one = ((report.migration && report.migration.statements) || [])[cause.statement_index];
    return one ? `Statement ${cause.statement_index + 1} of the migration${one.file ? `, ${one.file}:${one.line}` : ""} ` : "";
  }

  // --- Causes, findings.
  if ((report.causes || []).length) {
    section("Causes", "causes", report.causes.map((cause) => make("article", {}, make("h3", {}, cause.sentence),
      cause.statement ? make("p", {}, make("span", { class: "label" }, statementName(cause)), make("code", { class: "sql" }, cause.statement)) : null,
      make("p", { class: "facts" }, (cause.findings || []).map((id) => make("span", {}, make("a", { href: "#" + id }, id)))))));
  }
  const gating = report.findings.filter((finding) => finding.gates), told = report.findings.filter((finding) => !finding.gates);
  // One box for all of them: a reader looks for a table or a word, not for a class.
  function findingTools() {
    if (report.findings.length < 2) return null;
    const text = make("input", { type: "search", placeholder: "filter findings", "aria-label": "filter findings" });
    const status = make("span", { class: "legend", role: "status" }, `${count(report.findings.length)} findings`);
    text.addEventListener("input", () => {
      const wanted = text.value.toLowerCase();
      const cards = [...document.querySelectorAll("article[data-type]")];
      for (const card of cards) card.hidden = !card.textContent.toLowerCase().includes(wanted);
      status.textContent = `${count(cards.filter((card) => !card.hidden).length)} of ${count(cards.length)} findings`;
    });
    return make("div", { class: "tools" }, text, status);
  }
  section(`What stops this change (${gating.length})`, "gating", gating.length ? [findingTools(), ...gating.map(findingCard)] : []);
  section(`Told, not gating (${told.length})`, "told", told.length && !gating.length ? [findingTools(), ...told.map(findingCard)] : told.map(findingCard));
  // --- Fixes that were tried.
  section("Fixes, tried and measured", "fixes", (report.fixes || []).map((fix) => make("article", {},
    make("p", {}, fix.sentence), make("pre", { tabindex: 0 }, fix.sql.join("\n")),
    make("p", { class: "facts" }, [
      fix.us_after > 0 ? `${duration(fix.us_after)} without it, ${duration(fix.us_fixed)} with it` + (fix.us_before > 0 ? `, ${duration(fix.us_before)} before` : "") : "",
      fix.blocks_after > 0 ? `${count(Math.round(fix.blocks_after))} blocks without it, ${count(Math.round(fix.blocks_fixed))} with it` : "",
      fix.waits ? `longest wait ${duration(fix.waits.wait_us_before)} \u2192 ${duration(fix.waits.wait_us_fixed)}` : "",
      fix.waits ? `${count(fix.waits.blocked_before)} queries blocked \u2192 ${count(fix.waits.blocked_fixed)}` : "",
      fix.waits ? `takes ${duration(fix.waits.took_us_fixed)} instead of ${duration(fix.waits.took_us_before)}` : "",
      fix.size_bytes > 0 ? `${count(Math.round(fix.size_bytes / 1000))} kB, built in ${duration(fix.build_us)}` : "",
    ].filter(Boolean).map((fact) => make("span", {}, fact))),
    make("p", { class: "facts" }, fix.findings.map((id) => make("span", {}, make("a", { href: "#" + id }, id)))),
    fix.advice.length ? make("ul", {}, fix.advice.map((one) => make("li", {}, one))) : null)));

  // --- The migration, on a time line; and what waited for it.
  const held = (one) => (one.locks.length ? one.locks[0].held_us : 0);
  function timeline(statements) {
    const width = fitting(1100, 26), left = 12, row = 22;
    const end = Math.max(1, ...statements.map((one) => one.started_us + Math.max(one.duration_us, held(one))));
    const x = (us) => left + (width - 2 * left) * us / end;
    const chart = make("svg", { viewBox: `0 0 ${width} ${row * statements.length + 22}`, width, role: "img",
      "aria-label": `${statements.length} statements in ${duration(end)}: bars show how long each ran and held its strongest lock` });
    statements.forEach((one, i) => {
      const y = i * row + 4;
      const lock = one.locks.length ? `, ${one.locks[0].mode} on ${one.locks[0].relation} held for ${duration(held(one))}` : "";
      chart.append(make("g", {}, make("title", {}, `${one.text}: ${duration(one.duration_us)}${lock}`),
        make("rect", { class: "before", x: x(one.started_us), y, width: Math.max(2, x(one.started_us + held(one)) - x(one.started_us)), height: 12, rx: 2, opacity: 0.45 }),
        make("rect", { class: "after", x: x(one.started_us), y: y + 2, width: Math.max(2, x(one.started_us + one.duration_us) - x(one.started_us)), height: 8, rx: 2 })));
    });
    chart.append(make("text", { x: left, y: row * statements.length + 16 }, "0"));
    chart.append(make("text", { x: width - left, y: row * statements.length + 16, "text-anchor": "end" }, duration(end)));
    return make("div", {}, chart, make("p", { class: "legend" }, "narrow: runs, wide: holds its strongest lock"));
  }
  const statements = (report.migration && report.migration.statements) || [];
  if (statements.length) {
    const estimate = report.migration.estimate;
    const files = statements.some((one) => one.disk_bytes || one.temp_bytes);
    // A column of estimates beside what was measured, where there are any.
    const beside = (...columns) => columns.filter((one) => one !== null);
    const kilobytes = (bytes) => bytes ? count(Math.round(bytes / 1000)) + " kB" : "";
    section("The migration, statement by statement", "migration", timeline(statements.slice(0, 60)),
      estimate ? make("p", { class: "legend" }, "est.: " + estimate.basis) : null,
      scroller(make("table", {}, make("thead", {}, make("tr", {},
        beside(["statement"], ["at", 1], ["took", 1], estimate ? ["est.", 1] : null, ["strongest lock"], ["held", 1],
          estimate ? ["est.", 1] : null, ["WAL", 1], estimate ? ["est.", 1] : null,
          files ? ["database grows by", 1] : null, files ? ["temporary files", 1] : null).map(([name, right]) => make("th", { scope: "col", class: right ? "number" : null }, name)))),
        make("tbody", {}, statements.map((one) => make("tr", {}, make("td", {}, make("code", { class: "sql" }, one.text), one.file ? make("div", { class: "legend" }, `${one.file}:${one.line}`) : null),
          make("td", { class: "number" }, duration(one.started_us)), make("td", { class: "number" }, duration(one.duration_us)),
          estimate ? make("td", { class: "number" }, one.estimate ? duration(one.estimate.duration_us) : "") : null,
          make("td", {}, one.locks.length ? `${one.locks[0].mode} on ${one.locks[0].relation}` : ""),
          make("td", { class: "number" }, one.locks.length ? duration(held(one)) : ""),
          estimate ? make("td", { class: "number" }, one.held_us_estimated ? duration(one.held_us_estimated) : "") : null,
          make("td", { class: "number" }, kilobytes(one.wal_bytes)),
          estimate ? make("td", { class: "number" }, one.estimate ? kilobytes(one.estimate.wal_bytes) : "") : null,
          files ? make("td", { class: "number" }, kilobytes(one.disk_bytes)) : null,
          files ? make("td", { class: "number" }, kilobytes(one.temp_bytes)) : null))))));
  }
  const head = (names) => make("thead", {}, make("tr", {}, names.map(([name, right]) => make("th", { scope: "col", class: right ? "number" : null }, name))));
  // What the migration held and who waited for it, on one axis of time.
  function duringChart(during) {
    const ran = (during.migration_statements || []).slice(0, 40), steps = during.waiting || [];
    if (!ran.length && !steps.length) return null;
    const width = fitting(900, 26), left = 36, right = 10, row = 18, area = steps.length ? 90 : 0;
    const end = Math.max(during.span_us, ...ran.map((one) => one.started_us + Math.max(one.duration_us, held(one))), ...steps.map((step) => step.at_us), 1);
    const begin = Math.min(0, ...steps.map((step) => step.at_us));
    const most = Math.max(1, ...steps.map((step) => step.queries));
    const x = (us) => left + (width - left - right) * (us - begin) / (end - begin);
    const top = row * ran.length + 8, bottom = top + area;
    const chart = make("svg", { class: "time", viewBox: `0 0 ${width} ${bottom + 22}`, width, role: "img", "aria-label":
      `${ran.length} statements in ${duration(during.span_us)}` + (steps.length ? `; at most ${count(most)} queries waited at once, from ${duration(steps[0].at_us)} to ${duration(steps[steps.length - 1].at_us)}` : "; no query waited") });
    ran.forEach((one, i) => {
      const y = i * row + 4, lock = one.locks.length ? `, ${one.locks[0].mode} on ${one.locks[0].relation} held for ${duration(held(one))}` : "";
      chart.append(make("text", { class: "no", x: left - 6, y: y + 10, "text-anchor": "end" }, String(i + 1)));
      chart.append(make("g", {}, make("title", {}, `${one.text}: ${duration(one.duration_us)}${lock}`),
        make("rect", { class: "before", x: x(one.started_us), y, width: Math.max(2, x(one.started_us + held(one)) - x(one.started_us)), height: 12, rx: 2, opacity: 0.45 }),
        make("rect", { class: "after", x: x(one.started_us), y: y + 2, width: Math.max(2, x(one.started_us + one.duration_us) - x(one.started_us)), height: 8, rx: 2 })));
    });
    if (steps.length) {
      const y = (queries) => bottom - (area - 16) * queries / most;
      let path = `M ${x(steps[0].at_us)} ${bottom}`;
      steps.forEach((step, i) => { path += ` V ${y(step.queries)} H ${x(i + 1 < steps.length ? steps[i + 1].at_us : step.at_us)}`; });
      chart.append(make("line", { class: "base", x1: left, x2: width - right, y1: bottom, y2: bottom }),
        make("path", { class: "waiting", d: path + ` V ${bottom} Z` }, make("title", {}, `at most ${count(most)} queries waited at once`)),
        make("text", { x: left - 6, y: y(most) + 4, "text-anchor": "end" }, count(most)), make("text", { x: left - 6, y: bottom + 1, "text-anchor": "end" }, "0"));
    }
    chart.append(make("text", { x: x(begin), y: bottom + 16 }, begin < 0 ? duration(begin) : "0"), make("text", { x: width - right, y: bottom + 16, "text-anchor": "end" }, duration(end)));
    const table = make("details", { class: "numbers" }, make("summary", {}, "In numbers"),
      ran.length ? scroller(make("table", { class: "bars" }, head([["no.", 1], ["statement"], ["at", 1], ["took", 1], ["strongest lock"], ["held", 1]]),
        make("tbody", {}, ran.map((one, i) => make("tr", {}, make("td", { class: "number" }, String(i + 1)), make("td", {}, make("code", { class: "sql" }, one.text)),
          make("td", { class: "number" }, duration(one.started_us)), make("td", { class: "number" }, duration(one.duration_us)),
          make("td", {}, one.locks.length ? `${one.locks[0].mode} on ${one.locks[0].relation}` : ""), make("td", { class: "number" }, one.locks.length ? duration(held(one)) : "")))))) : null,
      steps.length ? make("table", { class: "waits" }, head([["from", 1], ["queries waiting", 1]]),
        make("tbody", {}, steps.map((step) => make("tr", {}, make("td", { class: "number" }, duration(step.at_us)), make("td", { class: "number" }, count(step.queries)))))) : null);
    return make("figure", {}, chart, make("figcaption", { class: "legend" }, "bars: statements by number, narrow while they run, wide while they hold their strongest lock" + (steps.length ? "; below: queries that wait at once" : "")), table);
  }
  const during = report.during;
  if (during) {
    section("While it runs", "during",
      facts([`${count(during.statements)} statements of ${count(during.sessions)} sessions beside it`,
        during.blocked || during.failed ? `${count(during.blocked)} queries waited, ${duration(during.wait_us_max)} at most; ${count(during.failed)} failed` : "no query waited",
        `${duration(during.migration_us)} under load`, during.rounds > 1 ? `the traffic was begun ${count(during.rounds)} times` : "",
        during.unloaded_us ? `its last ${duration(during.unloaded_us)} ran without any traffic` : "",
        during.rehearsal ? `lock_timeout ${duration(during.rehearsal.lock_timeout_us)}: ${during.rehearsal.succeeded ? "succeeded" : "gave up"} after ${count(during.rehearsal.attempts)} of at most ${count(during.rehearsal.attempts_max)} attempts` : "",
        during.rehearsal && during.rehearsal.chance !== undefined ? `chance of a lock, by the capture's transactions: ${percent(during.rehearsal.chance_once)} for one attempt, ${percent(during.rehearsal.chance)} for ${count(during.rehearsal.attempts_max)}` : "",
        during.blocker_us ? `scry added a transaction of ${duration(during.blocker_us)}` : ""]),
      duringChart(during),
      during.blocking.length ? scroller(make("table", {}, make("thead", {}, make("tr", {},
        [["statement"], ["lock"], ["blocked", 1], ["failed", 1], ["longest wait", 1]].map(([name, right]) => make("th", { scope: "col", class: right ? "number" : null }, name)))),
        make("tbody", {}, during.blocking.map((one) => make("tr", {}, make("td", {}, make("code", { class: "sql" }, one.text)),
          make("td", {}, one.mode + (one.relation ? " on " + one.relation : "")), make("td", { class: "number" }, count(one.blocked)),
          make("td", { class: "number" }, count(one.failed)), make("td", { class: "number" }, duration(one.wait_us_max))))))) : null);
  }

  if (report.migration && report.migration.exit_status !== 0 && report.migration.output.length)
    section("What the command printed last", "output", make("pre", { tabindex: 0 }, report.migration.output.join("\n")));

  // --- All patterns.
  if ((report.patterns || []).length) {
    const columns = [{ key: "type", title: "class" }, { key: "pattern", title: "query" }, { key: "calls", title: "calls", number: true },
      { key: "share", title: "time", number: true }, { key: "median_us", title: "median before", number: true }, { key: "detectable", title: "would have seen", number: true }];
    const spread = report.patterns.some((item) => (item.latencies || []).length);
    if (spread) columns.push({ title: "before, after" });
    const table = sortable(columns, report.patterns, (item) => make("tr", { "data-type": item.type },
      make("td", {}, item.finding ? make("a", { href: "#" + item.finding }, title(item.type)) : title(item.type)),
      make("td", {}, make("code", { class: "sql" }, item.pattern), item.why ? make("div", { class: "legend" }, item.why) : null),
      make("td", { class: "number" }, count(item.calls)), make("td", { class: "number" }, percent(item.share)),
      make("td", { class: "number" }, item.median_us > 0 ? duration(item.median_us) : "-"),
      make("td", { class: "number" }, item.detectable > 0 ? "from " + factor(item.detectable) : "-"), spread ? make("td", {}, sparkline(item)) : null), "share");
    const text = make("input", { type: "search", placeholder: "filter queries", "aria-label": "filter queries" });
    const types = [...new Set(report.patterns.map((item) => item.type))].sort();
    const choice = make("select", { "aria-label": "class" }, make("option", { value: "" }, "all classes"), types.map((type) => make("option", { value: type }, title(type))));
    const status = make("span", { class: "legend", role: "status" }, `${count(report.patterns.length)} patterns`);
    const apply = () => {
      const wanted = text.value.toLowerCase();
      const left = table.filter((item) => (!choice.value || item.type === choice.value) && item.pattern.toLowerCase().includes(wanted));
      status.textContent = `${count(left)} of ${count(report.patterns.length)} patterns`;
    };
    text.addEventListener("input", apply);
    choice.addEventListener("change", apply);
    section("All queries", "patterns", make("div", { class: "tools" }, text, choice, status), table.node);
  }

  // --- What was not judged, what was tested.
  const fate = (rule) => (rule.expired ? (rule.again ? `expired: ${count(rule.again)} findings count again` : "expired, and nothing in this run is left of it")
    : rule.hidden ? `${count(rule.hidden)} findings` : "nothing in this run");
  if ((report.ignore_rules || []).length) {
    const table = sortable([{ key: "covers", title: "rule" }, { key: "reason", title: "why" }, { key: "until", title: "until" }, { key: "fate", title: "in this run" }],
      report.ignore_rules.map((rule) => ({ ...rule, covers: (rule.finding || "all") + (rule.pattern ? " of " + rule.pattern : ""), fate: fate(rule) })),
      (rule) => make("tr", {}, make("td", {}, make("code", { class: "sql" }, rule.covers)), make("td", {}, `${rule.reason} (${rule.place})`),
        make("td", {}, rule.until || "without an end"), make("td", {}, rule.fate)), "until");
    section(`Ignored by rules (${report.ignore_rules.length})`, "ignored", table.node);
  }
  if (report.not_judged.length) {
    const table = sortable([{ key: "pattern", title: "query" }, { key: "why", title: "why" }, { key: "calls", title: "calls", number: true }, { key: "share", title: "time", number: true }],
      report.not_judged, (item) => make("tr", {}, make("td", {}, make("code", { class: "sql" }, item.pattern)), make("td", {}, item.why),
        make("td", { class: "number" }, count(item.calls)), make("td", { class: "number" }, percent(item.share))), "share");
    section(`Not judged (${report.not_judged.length})`, "not-judged", table.node);
  }
  if (report.unfaithful.length) {
    const table = sortable([{ key: "pattern", title: "query" }, { key: "calls", title: "calls", number: true }, { key: "lostAll", title: "did otherwise", number: true }],
      report.unfaithful.map((item) => ({ ...item, lostAll: item.lost.sqlstate + item.lost.rows + item.lost.values })),
      (item) => make("tr", {}, make("td", {}, make("code", { class: "sql" }, item.pattern)), make("td", { class: "number" }, count(item.calls)), make("td", { class: "number" }, count(item.lostAll))), "lostAll");
    section("Where the baseline did not do what production did", "unfaithful", table.node);
  }
  section("Notes", "notes", report.notes.length ? make("ul", {}, report.notes.map((note) => make("li", {}, note))) : null);
  const tested = report.tested;
  const line = (name, text) => (text ? make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, text)) : null);
  section("What was tested", "tested", make("table", { class: "tested" }, make("tbody", {}, [
    report.migration ? line("change", `${report.migration.command} (exit ${report.migration.exit_status}, ${duration(report.migration.duration_us)})`) : null,
    ...report.captures.map((capture) => line("traffic", `${capture.name}: ${count(capture.sessions)} sessions, ${count(capture.statements)} statements in ${duration(capture.duration_us)}` + (capture.gaps ? `; ${count(capture.gaps)} gaps` : ""))),
    report.budget ? line("budget", `${duration(report.budget.budget_us)}: ${count(report.budget.sessions)} of ${count(report.budget.sessions_all)} sessions, ${count(report.budget.patterns)} of ${count(report.budget.patterns_all)} patterns, ${count(report.budget.statements)} of ${count(report.budget.statements_all)} statements; ${count(report.budget.thin.length + report.budget.thin_more)} patterns met too seldom`) : null,
    ...report.lanes.map((lane) => line(lane.name, `${lane.made}, PostgreSQL ${lane.server_version}, busy for ${duration(lane.busy_us)}`)),
    line("replayed", `${count(tested.sessions)} sessions, ${count(tested.statements)} statements in ${duration(tested.duration_us)}; ${count(tested.sessions_excluded)} sessions left out`),
    line("compared", `${count(tested.compared)} statements of ${count(tested.patterns)} patterns; ${count(tested.unchanged)} unchanged`),
    line("work", tested.work_patterns ? `counted for ${count(tested.work_patterns)} patterns with ${count(tested.work_samples)} sets of parameters` : ""),
  ].filter(Boolean))));
  // --- What was not tested.
  const missing = [
    [report.captures.reduce((sum, capture) => sum + capture.gaps, 0), "gaps in the capture", (n) => `${count(report.captures.reduce((sum, capture) => sum + capture.gap_exchanges, 0))} exchanges are known to be missing`],
    [tested.sessions_excluded, "sessions left out", () => "their state is not known; the notes say why"],
    [report.budget && report.budget.writers_left_out, "sessions that write, not chosen for the budget", () => `${count(report.budget.sessions_all - report.budget.sessions)} of ${count(report.budget.sessions_all)} sessions were not chosen`],
    [tested.statements - tested.compared, "statements not compared", () => "a lane gave nothing to compare: it was warming up, or the statement could not run on both"],
    [tested.order_broken, "statements out of order", () => "their results do not gate"],
    [tested.held_up, "statements held up", () => "a lane did not answer in time, and the lanes ran at once"],
    [tested.races_withdrawn, "races not run again", () => "they had lost a race when captured: deadlock, serialization, lock"],
    [tested.stalls_released, "waits broken up", () => "sessions waited for each other"],
    [tested.cancelled, "statements cancelled", () => "they did not end by themselves"],
    [report.not_judged.length, "patterns not judged", () => "see above"],
    [report.findings.filter((finding) => finding.type === "ignored").length, "findings ignored by rules", () => "see above"],
  ].filter(([n]) => n > 0);
  section("What was left out", "excluded", missing.length ? scroller(make("table", {}, make("thead", {}, make("tr", {}, make("th", { class: "number", scope: "col" }, "how many"), make("th", { scope: "col" }, "what"), make("th", { scope: "col" }, "why"))),
    make("tbody", {}, missing.map(([n, name, why]) => make("tr", {}, make("td", { class: "number" }, count(n)), make("th", { scope: "row" }, name), make("td", {}, why(n))))))) : make("p", {}, "Nothing that was captured."));
  section("Next", "next", report.next_steps.map((step) => make("div", { class: "steps" }, make("p", {}, step.why), make("code", {}, step.command))));
  document.querySelector("footer").textContent = `scry ${report.tool_version}, ${report.created}`;
  document.body.removeAttribute("data-loading");
  // The browser looked for the target before it was there.
  if (location.hash.length > 1) {
    let id = "";
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { /* Not ours. */ }
    const target = document.getElementById(id);
    if (target) { location.replace(location.hash); target.scrollIntoView(); }
  }
  // On paper nothing can be opened.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const one of closed) one.open = true;
  });
  window.addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
})();
