// A bot in the making, as the server reports it.
"use strict";
const root = document.getElementById("job");
const address = `/api/jobs/${encodeURIComponent(root.dataset.job)}`;
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const PHASES = {
  reading: "Reading the posts …",
  consent: "Look at what was understood, then agree.",
  waiting: "Another bot is being made; this one is next.",
  making: "The bot is being made.",
  done: "The bot is finished.",
  cancelled: "Cancelled. What was imported stays; making the bot again goes on from there.",
};
let understood = false;

const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const count = (n) => n.toLocaleString("en");
const counts = (all) => Object.entries(all).filter(([, n]) => n).map(([name, n]) => `${name} ${count(n)}`).join(", ");

const facts = (rows) => {
  const shown = make("dl", "", { class: "facts" });
  for (const [name, value] of rows) {
    if (!value) continue;
    const row = document.createElement("div");
    row.append(make("dt", name), make("dd", value));
    shown.append(row);
  }
  return shown;
};

const showSource = (source) => {
  const box = make("div", "", { class: "card" });
  const inside = make("div", "", { class: "inside" });
  const name = source.name && source.name !== source.handle ? ` · ${source.name}` : "";
  inside.append(make("h3", `@${source.written}${name}`));
  const dates = source.dates;
  inside.append(facts([
    ["Source", [source.source.replaceAll("_", " "), source.file].filter(Boolean).join(": ")],
    ["Posts", source.is_first_page ? `${count(source.read)}, of the first page only` : count(source.read)],
    ["Columns", Object.entries(source.columns).map(([meaning, column]) => `${column} (${meaning})`).join(", ")],
    ["Dates", dates.given ? `${count(dates.understood)} of ${count(dates.given)} understood` : ""],
    ["From", dates.first ? `${dates.first.slice(0, 10)} to ${dates.last.slice(0, 10)}` : ""],
    ["Kinds", counts(source.kinds)],
    ["Languages", counts(source.languages)],
    ["Notices", source.notices.join(" · ")],
  ]));
  box.append(inside);
  return box;
};

const showUnderstood = (found) => {
  at("title").textContent = `Make ${found.sources.map((each) => `@${each.written}`).filter((each, n, all) => all.indexOf(each) === n).join(" + ")}`;
  at("sources").replaceChildren(...found.sources.map(showSource));
  const summary = found.curation;
  const partly = found.sources.some((each) => each.is_first_page);
  at("curation").textContent = summary
    ? `${count(summary.kept)} of ${count(summary.downloaded)} posts, ${count(summary.characters)} characters; `
      + `${count(summary.held_out)} of the posts are held out to measure it.`
      + (counts(summary.dropped) ? ` Dropped: ${counts(summary.dropped)}.` : "")
      + (summary.warning ? ` ${summary.warning.replace(/^@\S+: /, "")}.` : "")
    : found.too_little + (partly ? " – but only the first page was read." : "");
  const groups = new Map();
  for (const example of found.examples) {
    const key = example.dropped || "";
    groups.set(key, [...(groups.get(key) || []), example]);
  }
  at("examples").replaceChildren();
  for (const [reason, examples] of groups) {
    at("examples").append(make("h3", reason ? `Dropped: ${reason}` : "Kept"));
    const list = make("ul", "", { class: "posts" });
    for (const example of examples) list.append(make("li", example.text, { dir: "auto" }));
    at("examples").append(list);
  }
};

const showSteps = (state) => {
  const current = state.steps.indexOf(state.step);
  at("steps").replaceChildren(...state.steps.map((step, number) => {
    const item = make("li", step);
    if (state.phase === "done" || number < current) item.dataset.state = "done";
    else if (number === current && state.phase === "making") item.setAttribute("aria-current", "step");
    return item;
  }));
};

const time = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

const drawn = (tag, attributes, text = "") => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
};

const showChart = (curve) => {
  const points = curve.filter(([, loss]) => loss !== null);
  const chart = at("chart");
  chart.toggleAttribute("hidden", points.length === 0);  // SVG has no property of this name
  if (!points.length) return;
  const losses = points.flatMap(([, loss, held]) => (held === null ? [loss] : [loss, held]));
  const low = Math.min(...losses) - 0.1;
  const high = Math.max(...losses) + 0.1;
  const x = (percent) => 48 + (percent / 100) * 656;
  const y = (loss) => 16 + ((high - loss) / (high - low)) * 190;
  const line = (pairs) => pairs.map(([percent, loss]) => `${x(percent).toFixed(1)},${y(loss).toFixed(1)}`).join(" ");
  const held = points.filter((each) => each[2] !== null).map((each) => [each[0], each[2]]);
  const title = chart.querySelector("title");
  chart.replaceChildren(
    title,
    drawn("line", { class: "axis", x1: 48, y1: 206, x2: 704, y2: 206 }),
    drawn("line", { class: "axis", x1: 48, y1: 16, x2: 48, y2: 206 }),
    drawn("text", { x: 4, y: 24 }, high.toFixed(2)),
    drawn("text", { x: 4, y: 206 }, low.toFixed(2)),
    drawn("text", { x: 48, y: 228 }, "loss of the training (grey) and of held-out posts (blue), nats a token"),
    drawn("polyline", { class: "train", points: line(points) }),
    drawn("polyline", { class: "held", points: line(held) }),
    ...points.slice(-1).map(([percent, loss]) => drawn("circle", { class: "held-dot", cx: x(percent), cy: y(loss), r: 3 })),
  );
};

const show = (state) => {
  at("state").textContent = state.phase === "failed" ? state.error : PHASES[state.phase];
  at("state").classList.toggle("warning", state.phase === "failed");
  if (state.understood && !understood) {
    understood = true;
    showUnderstood(state.understood);
  }
  const before = ["reading", "consent"].includes(state.phase);
  const ended = ["done", "failed", "cancelled"].includes(state.phase);
  at("understood").hidden = !(state.phase === "consent");
  at("consent").hidden = state.phase !== "consent";
  at("making").hidden = before || !state.step;
  at("cancel").hidden = ended;
  at("again").hidden = !ended;
  showSteps(state);
  at("progress").value = state.percent;
  at("figures").textContent = [
    `${state.percent} %`,
    state.tokens_per_second ? `${count(Math.round(state.tokens_per_second))} tokens a second` : "",
    state.seconds_left !== null && state.phase === "making" && state.step === "train" ? `${time(state.seconds_left)} left of the training` : "",
  ].filter(Boolean).join(" · ");
  showChart(state.curve);
  const log = at("log");
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  log.textContent = state.log.join("\n");
  log.hidden = state.log.length === 0;
  if (atEnd) log.scrollTop = log.scrollHeight;
  if (state.phase === "done") {
    at("state").textContent = `The bot is finished: ${state.error}.`;
    at("done").hidden = false;
    at("done").href = `/bots/${encodeURIComponent(state.bot)}`;
  }
};

const call = async (path, method, body) => {
  const answer = await fetch(address + path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  }).catch(() => null);
  if (!answer) at("state").textContent = "The server does not answer.";
  else if (!answer.ok) at("state").textContent = (await answer.json()).error;
  return Boolean(answer && answer.ok);
};

at("consent").addEventListener("submit", async (event) => {
  event.preventDefault();
  await call("/consent", "POST", { agreed: at("agreed").checked, name: at("name").value });
});
at("cancel").addEventListener("click", async () => {
  at("cancel").disabled = true;
  if (await call("", "DELETE")) at("state").textContent = "Cancelling …";
  else at("cancel").disabled = false;
});

const stream = new EventSource(`${address}/events`);
stream.addEventListener("state", (event) => {
  const state = JSON.parse(event.data);
  show(state);
  if (["done", "failed", "cancelled"].includes(state.phase)) stream.close();
});
stream.onerror = () => {
  if (stream.readyState === EventSource.CLOSED) at("state").textContent = "The server has forgotten this bot in the making: begin again.";
  else at("state").textContent = "The connection was lost; trying again …";
};
