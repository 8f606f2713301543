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
const ENDS = ["done", "failed", "cancelled"];
let understood = false;

const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const count = (n) => n.toLocaleString("en");
const capital = (text) => text.replace(/^./, (letter) => letter.toUpperCase());
const sentence = (message) => `${capital(message.replace(/^@\S+: /, ""))}.`;
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
  const inside = make("div", "", { class: "body" });
  const name = source.name && source.name !== source.handle ? ` · ${source.name}` : "";
  inside.append(make("h3", `@${source.written}${name}`));
  const dates = source.dates;
  inside.append(facts([
    ["Source", [capital(source.source.replaceAll("_", " ")), source.file].filter(Boolean).join(": ")],
    ["Posts", source.is_first_page ? `${count(source.read)}, of the first page only` : count(source.read)],
    ["Columns", Object.entries(source.columns).map(([meaning, column]) => (column === meaning ? column : `${column} (${meaning})`)).join(", ")],
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
      + (summary.warning ? ` ${sentence(summary.warning)}` : "")
    : found.too_little + (partly ? " – but only the first page was read." : "");
  at("curation").classList.toggle("warning", !summary && !partly);
  const groups = new Map();
  for (const example of found.examples) {
    const key = example.dropped || "";
    groups.set(key, [...(groups.get(key) || []), example]);
  }
  at("examples").replaceChildren();
  for (const [reason, examples] of groups) {
    at("examples").append(make("h3", reason ? `Dropped: ${reason}` : "Kept"));
    const list = make("ul", "", { class: "posts" });
    for (const example of examples) list.append(make("li", example.text, { dir: "auto", class: "post" }));
    at("examples").append(list);
  }
};

const time = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

const showSteps = (state) => {
  at("steps").replaceChildren(...state.steps.map(({ step, state: reached, seconds }) => {
    const item = make("li", step);
    if (reached === "done" || reached === "failed") item.dataset.state = reached;
    else if (reached === "running" && state.phase === "making") item.setAttribute("aria-current", "step");
    if (seconds !== null) item.append(make("small", time(seconds)));
    return item;
  }));
};

const phaseOf = (state) => {
  const begun = state.steps.filter((each) => each.state);
  if (at("cancel").disabled && !ENDS.includes(state.phase)) return "Cancelling …";
  if (state.phase === "cancelled" && !begun.length) return "Cancelled. Nothing was stored.";
  if (state.phase !== "making" || begun.some((each) => each.state === "running")) return PHASES[state.phase];
  if (["Scheduled", "Late", "Pending"].includes(state.run)) return "Waiting for a worker …";
  return begun.length > 1 ? PHASES.making : "Preparing the run …";
};

const drawn = (tag, attributes, text = "") => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
};

const showChart = (curve) => {
  const points = curve.filter(([, loss]) => loss !== null);
  at("chart").hidden = points.length === 0;
  if (!points.length) return;
  const held = points.filter((each) => each[2] !== null).map((each) => [each[0], each[2]]);
  const losses = [...points, ...held].map(([, loss]) => loss);
  const low = Math.min(...losses) - 0.1;
  const high = Math.max(...losses) + 0.1;
  const x = (percent) => (64 + percent * 6.32).toFixed(1);
  const y = (loss) => (16 + ((high - loss) / (high - low)) * 190).toFixed(1);
  const line = (pairs) => pairs.map(([percent, loss]) => `${x(percent)},${y(loss)}`).join(" ");
  at("chart").querySelector("svg").replaceChildren(
    ...[high, low].flatMap((loss) => [
      drawn("line", { class: "grid", x1: 64, x2: 696, y1: y(loss), y2: y(loss) }),
      drawn("text", { class: "tick", x: 54, y: Number(y(loss)) + 5, "text-anchor": "end" }, loss.toFixed(2)),
    ]),
    drawn("text", { class: "tick", x: 64, y: 232 }, "0 %"),
    drawn("text", { class: "tick", x: 696, y: 232, "text-anchor": "end" }, "100 % of the training"),
    drawn("polyline", { class: "training", points: line(points) }),
    drawn("polyline", { class: "held-out", points: line(held) }),
    ...[["training", points], ["held-out", held]].flatMap(([name, pairs]) =>
      pairs.slice(-1).map(([percent, loss]) => drawn("circle", { class: name, cx: x(percent), cy: y(loss), r: 4 }))),
  );
};

// Messages are those of `import`, and name its options.
const optionsHint = (error) =>
  (/--(format|column|day-first|handle)/.test(error) ? " (On the page before, these stand below the file.)" : "");

const show = (state) => {
  at("state").textContent = state.phase === "failed" ? `${state.reason}${optionsHint(state.reason)}` : phaseOf(state);
  at("state").classList.toggle("warning", state.phase === "failed");
  if (state.understood && !understood) {
    understood = true;
    showUnderstood(state.understood);
  }
  const before = ["reading", "consent"].includes(state.phase);
  const ended = ENDS.includes(state.phase);
  at("understood").hidden = !(state.phase === "consent");
  at("consent").hidden = state.phase !== "consent";
  at("making").hidden = before || state.steps.every((each) => !each.state);
  at("cancel").hidden = ended;
  at("again").hidden = !ended;
  at("again").textContent = state.phase === "failed" ? "Begin again" : "Make another";
  showSteps(state);
  at("progress").value = state.percent;
  const isTraining = state.phase === "making" && state.steps.some((each) => each.step === "train" && each.state === "running");
  at("figures").textContent = [
    `${Math.round(state.percent)} % of the training`,
    state.tokens_per_second ? `${count(Math.round(state.tokens_per_second))} tokens a second` : "",
    isTraining && state.seconds_left !== null ? `${time(state.seconds_left)} left` : "",
  ].filter(Boolean).join(" · ");
  showChart(state.curve);
  const log = at("log");
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  log.textContent = state.log.join("\n");
  log.hidden = before || state.log.length === 0;
  if (atEnd) log.scrollTop = log.scrollHeight;
  if (state.phase === "done") {
    at("state").textContent = `The bot is finished: ${state.reason}.`;
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
  if (ENDS.includes(state.phase)) stream.close();
});
stream.onerror = () => {
  if (stream.readyState === EventSource.CLOSED) at("state").textContent = "The server has forgotten this bot in the making: begin again.";
  else at("state").textContent = "The connection was lost; trying again …";
};
