// Asks sluiced how it is every two seconds and shows it. Text from the director is set as text, never as markup.
"use strict";

const EVERY = 2000;
// Services that are open at first, if there are no more reals than this together.
const OPEN_REALS = 60;

const byId = (id) => document.getElementById(id);
const folded = new Map();      // by service: whether its reals are hidden, as chosen by the reader
const bodies = new Map();      // by service: its part of the table
const series = new Map();      // by service: { series, reals: Map of address to series }
let total = null, newest = 0, capacity = 100, historyDue = 0;
let before = null;             // the overview before, for rates

async function fetchJson(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

async function tick() {
  try {
    const now = await fetchJson("/api/overview?" + new URLSearchParams({ filter: byId("filter").value }));
    await history(now);
    show(now);
    before = now;
    document.documentElement.classList.remove("stale");
  } catch (error) {
    document.documentElement.classList.add("stale");
    status("bad", "sluiced does not answer");
    notices([["bad", `The control process sluiced does not answer (${error.message}). The dataplane forwards without it. ` +
      "This page goes on by itself when sluiced is back."]]);
  }
  setTimeout(tick, EVERY);
}

// What is not known yet of the last ten minutes.
async function history(now) {
  const names = now.services.slice(0, 200).map((service) => service.name);
  const unknown = names.some((name) => !series.has(name));
  if (Date.now() < historyDue && !unknown) return;
  const query = new URLSearchParams(names.map((name) => ["service", name]));
  const since = unknown ? 0 : newest;
  query.set("since", since);
  const answer = await fetchJson("/api/history?" + query);
  const whole = since === 0 || answer.newest < since;
  const join = (old, more) => {
    if (whole || !old) return more;
    const joined = {};
    for (const key of Object.keys(more)) joined[key] = old[key].concat(more[key]).slice(-answer.capacity);
    return joined;
  };
  total = join(total, answer.total);
  if (whole) series.clear();
  for (const service of answer.services) {
    const old = series.get(service.name);
    const reals = new Map(service.reals.map((real) => [real.address, join(old?.reals.get(real.address), real.series)]));
    series.set(service.name, { series: join(old?.series, service.series), reals });
  }
  for (const name of names) if (!series.has(name)) series.set(name, { series: null, reals: new Map() });
  ({ newest, capacity } = answer);
  historyDue = Date.now() + answer.period_seconds * 1000 - 500;
}

function show(now) {
  head(now);
  figures(now);
  services(now);
  drops(now);
  workers(now);
  ports(now);
}

function status(kind, text) {
  const span = byId("state").firstElementChild;
  span.className = `state ${kind}`;
  if (span.textContent !== text) span.textContent = text;
}

function head(now) {
  const { dataplane } = now;
  if (!dataplane) {
    const since = new Date(now.at_milliseconds - (now.gone_seconds ?? 0) * 1000);
    status("bad", `Dataplane gone since ${since.toLocaleTimeString()} (${age(now.gone_seconds ?? 0)})`);
  } else if (!dataplane.connected) {
    status("warn", "Dataplane runs, not controlled from here");
  } else {
    status("good", `Forwarding, up ${age(dataplane.uptime_seconds)}`);
  }
  const generation = dataplane ? ` · services generation ${dataplane.services_generation}` : "";
  byId("versions").textContent = `sluiced ${now.version}, up ${age(now.uptime_seconds)}${generation}`;
  const all = now.warnings.map((text) => ["warn", text]);
  if (!dataplane) {
    all.unshift(["bad", "The dataplane is not running, so nothing is forwarded. Start sluice-dataplane; it gets the " +
      "services by itself."]);
  }
  if (dataplane?.last_refusal) all.push(["bad", `Refused: ${dataplane.last_refusal}`]);
  notices(all);
}

function notices(all) {
  const place = byId("notices");
  if (place.dataset.shown === JSON.stringify(all)) return;
  place.dataset.shown = JSON.stringify(all);
  place.replaceChildren(...all.map(([kind, text]) => element("p", `notice ${kind}`, text)));
}

function figures(now) {
  const sum = (key) => now.services.length < now.service_count && !before ? null : total ? last(total[key]) : null;
  rate("f-new", sum("connections"));
  rate("f-in", sum("in_packets"));
  rate("f-out", sum("out_packets"));
  if (total) {
    chart(byId("c-new"), total.connections, capacity, "New connections a second");
    chart(byId("c-in"), total.in_packets, capacity, "Packets from clients a second");
    chart(byId("c-out"), total.out_packets, capacity, "Packets to clients a second");
  }
  const connections = now.dataplane ? now.dataplane.connections : null;
  byId("f-connections").textContent = short(connections);
  const fill = connections === null ? 0 : connections / now.connections_limit;
  byId("fill").value = fill;
  byId("fill-text").textContent = connections === null
    ? "" : `${(fill * 100).toFixed(1)} % of ${short(now.connections_limit)}`;
}

function rate(id, value) {
  byId(id).replaceChildren(short(value), element("small", "", value === null ? "" : " /s"));
}

const last = (values) => (values.length > 0 ? values[values.length - 1] : null);

function services(now) {
  const table = byId("service-table");
  const reals = now.services.reduce((sum, service) => sum + service.reals.length, 0);
  const up = now.services.filter((service) => available(service) > 0).length;
  byId("service-count").textContent =
    `${now.service_count} with ${now.real_count} reals` +
    (now.services.length < now.service_count ? `, ${now.services.length} shown` : `, ${up} available`);
  const shown = new Set(now.services.map((service) => service.name));
  for (const [name, body] of bodies) {
    if (!shown.has(name)) { body.remove(); bodies.delete(name); }
  }
  now.services.forEach((service, index) => {
    let body = bodies.get(service.name);
    if (!body) {
      body = element("tbody", "service");
      bodies.set(service.name, body);
    }
    if (table.tBodies[index] !== body) table.insertBefore(body, table.tBodies[index] ?? null);
    const open = !(folded.get(service.name) ?? reals > OPEN_REALS);
    serviceRows(body, service, open);
  });
  const leftOff = byId("left-off");
  leftOff.hidden = now.left_off === 0;
  leftOff.textContent = `${now.left_off} more services are not shown; filter by name or address to find them.`;
}

const available = (service) => service.reals.filter((real) => realState(real)[0] === "good").length;

function serviceRows(body, service, open) {
  const known = series.get(service.name);
  const rows = open ? service.reals : [];
  while (body.rows.length > rows.length + 1) body.deleteRow(-1);
  while (body.rows.length < rows.length + 1) {
    const row = body.insertRow();
    row.className = body.rows.length === 1 ? "service-row" : "real";
    row.append(element("th"));
    row.cells[0].scope = "row";
    for (const kind of ["", "n", "n", "n", "n", "c", "n", "n", "c", "n", "n"]) row.append(element("td", kind));
    row.cells[1].append(element("span", "state"));
    for (const cell of [6, 9]) row.cells[cell].append(element("div", "spark"));
  }
  const first = body.rows[0];
  serviceHead(first.cells[0], service, open);
  const active = sum(service.reals, "active"), inactive = sum(service.reals, "inactive");
  fill(first, serviceState(service), ["", active, inactive], service.rates, known?.series, service.name);
  rows.forEach((real, index) => {
    const row = body.rows[index + 1];
    const state = realState(real);
    row.className = state[0] === "good" ? "real" : "real quiet";
    const head = row.cells[0];
    if (!head.firstChild) head.append(element("span"), element("span", "what"));
    set(head.children[0], real.address);
    set(head.children[1], real.method);
    fill(row, state, [real.weight, real.active, real.inactive], real.rates, known?.reals.get(real.address), real.address);
  });
}

function serviceHead(head, service, open) {
  if (!head.firstChild) {
    const button = element("button", "fold");
    button.type = "button";
    button.addEventListener("click", () => {
      folded.set(service.name, button.getAttribute("aria-expanded") === "true");
      if (before) services(before);
    });
    head.append(button, element("span", "what"));
  }
  set(head.children[0], service.name);
  head.children[0].setAttribute("aria-expanded", open);
  const key = service.group ? `group ${service.group}` : `${service.protocol} ${service.address}`;
  set(head.children[1], `${key} ${service.scheduler}`);
}

function fill(row, [kind, text], counts, rates, known, name) {
  const state = row.cells[1].firstChild;
  if (state.className !== `state ${kind}`) state.className = `state ${kind}`;
  set(state, text);
  counts.forEach((value, index) => set(row.cells[2 + index], value === "" ? "" : short(value)));
  set(row.cells[5], short(rates?.connections));
  set(row.cells[7], short(rates?.in_packets));
  set(row.cells[8], short(rates?.out_packets));
  set(row.cells[10], short(rates ? rates.in_bytes * 8 : null));
  set(row.cells[11], short(rates ? rates.out_bytes * 8 : null));
  if (known) {
    chart(row.cells[6].firstChild, known.connections, capacity, `${name}, new connections a second`);
    const both = known.in_packets.map((value, index) => (value === null ? null : value + (known.out_packets[index] ?? 0)));
    chart(row.cells[9].firstChild, both, capacity, `${name}, packets a second, both directions`);
  }
}

function serviceState(service) {
  const reals = service.reals.filter((real) => !real.removed && !real.sorry);
  const good = available(service);
  if (reals.length === 0) return ["warn", "no reals"];
  if (service.health?.quorum === false) return service.health.sorry ? ["bad", "sorry serves"] : ["bad", "no quorum"];
  if (good === 0) return ["bad", "no real available"];
  return good === reals.length ? ["good", `${good} of ${reals.length}`] : ["warn", `${good} of ${reals.length}`];
}

function realState(real) {
  const health = real.health?.state ?? "unchecked";
  if (real.removed) return ["warn", "removed"];
  if (real.sorry) return ["warn", "sorry"];
  if (health === "down" || health === "held") return ["bad", health];
  if (health === "unknown" || health === "draining" || health === "drained") return ["warn", health];
  if (real.overloaded) return ["warn", "full"];
  if (real.weight === 0) return ["warn", "quiesced"];
  if (real.health?.slow_start_percent !== undefined) return ["good", "starting"];
  return ["good", health === "up" ? "up" : "serving"];
}

function sum(rows, key) {
  const known = rows.map((row) => row[key]).filter((value) => value !== null && value !== undefined);
  return known.length === 0 ? null : known.reduce((all, value) => all + value, 0);
}

// What came in a second between two numbers of one counter; null where that can't be told.
function between(now, earlier, of) {
  if (!before || earlier === undefined || before.dataplane?.instance !== now.dataplane?.instance) return null;
  const seconds = (now.at_milliseconds - before.at_milliseconds) / 1000;
  return seconds > 0 ? Math.max(0, of - earlier) / seconds : null;
}

function drops(now) {
  const rows = (now.drops?.reasons ?? []).filter((row) => row.dropped + row.answered > 0);
  rows.sort((one, other) => other.dropped + other.answered - one.dropped - one.answered);
  const dropped = now.drops ? now.drops.reasons.reduce((all, row) => all + row.dropped, 0) : null;
  byId("drop-count").textContent = now.drops ? `${short(dropped)} of ${short(now.drops.received)} packets dropped` : "";
  const cells = rows.map((row) => {
    const earlier = before?.drops?.reasons.find((old) => old.reason === row.reason);
    const old = earlier && earlier.dropped + earlier.answered;
    return [row.reason, short(row.dropped), short(row.answered), short(between(now, old, row.dropped + row.answered)), row.help];
  });
  fillTable(byId("drop-rows"), ["", "n", "n", "n", "wrap"], cells, now.drops ? "No packet was dropped or answered." : "Not known: the dataplane is not running.");
}

function workers(now) {
  const cells = now.workers.map((worker, index) => {
    const old = before?.workers[index];
    const each = (key) => short(between(now, old?.[key], worker[key]));
    const isMain = worker.worker === null;
    const from = isMain ? "received_from_kernel" : "received";
    const busy = isMain ? null : between(now, old?.busy_cycles, worker.busy_cycles);
    const load = busy === null ? null : Math.min(1, busy / Math.max(1, worker.cycles_per_second));
    return [isMain ? "main" : String(worker.worker), load, each(from), each("transmitted"), each("handed_off"),
      isMain ? "" : short(worker.connections)];
  });
  const body = byId("worker-rows");
  fillTable(body, ["", "", "n", "n", "n", "n"], cells.map((row) => row.map((cell, index) => (index === 1 ? "" : cell))),
    "Not known: the dataplane is not running.");
  cells.forEach((row, index) => meter(body.rows[index].cells[1], row[1], `Worker ${row[0]}`));
}

// A share as a bar and a number.
function meter(cell, share, label) {
  if (share === null) return set(cell, "–");
  if (!cell.firstElementChild) {
    const box = element("span", "load");
    const bar = element("progress");
    bar.max = 1;
    box.append(bar, element("span"));
    cell.replaceChildren(box);
  }
  const [bar, text] = cell.firstElementChild.children;
  bar.value = share;
  bar.setAttribute("aria-label", label);
  set(text, `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`);
}

function ports(now) {
  const cells = now.ports.map((port) => {
    const old = before?.ports.find((earlier) => earlier.name === port.name);
    const each = (key) => between(now, old?.[key], port[key]);
    const bits = (key) => { const value = each(key); return short(value === null ? null : value * 8); };
    const lost = port.rx_missed + port.rx_errors + port.tx_errors + port.tx_unsent;
    return [port.name, short(each("rx_packets")), bits("rx_bytes"), short(each("tx_packets")), bits("tx_bytes"), short(lost)];
  });
  fillTable(byId("port-rows"), ["", "n", "n", "n", "n", "n"], cells, "Not known: the dataplane is not running.");
}

// Rows of text; one line of it where there are none.
function fillTable(body, kinds, rows, empty) {
  if (rows.length === 0) {
    const cell = element("td", "empty", empty);
    cell.colSpan = kinds.length;
    const row = element("tr");
    row.append(cell);
    return body.replaceChildren(row);
  }
  if (body.querySelector(".empty")) body.replaceChildren();
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, index) => {
    let row = body.rows[index];
    if (!row) {
      row = body.insertRow();
      kinds.forEach((kind, column) => row.append(element(column === 0 ? "th" : "td", kind)));
      row.cells[0].scope = "row";
    }
    cells.forEach((text, column) => { if (text !== "") set(row.cells[column], text); });
  });
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function set(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

function age(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
}

byId("filter").addEventListener("input", () => { historyDue = 0; });
tick();
