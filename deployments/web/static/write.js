// Posts of a bot, shown while they are written.
"use strict";
const form = document.getElementById("write");
const list = document.getElementById("posts");
const state = document.getElementById("state");
const go = document.getElementById("go");
const stop = document.getElementById("stop");
const tools = document.getElementById("preview-tools");
const preview = document.getElementById("preview");
const temperature = document.getElementById("temperature");
const shown = document.getElementById("temperature-value");
const field = (name) => document.getElementById(name).value.trim();
let stream = null;
let wish = null;
form.hidden = false;

temperature.addEventListener("input", () => {
  shown.textContent = Number(temperature.value).toFixed(1);
});

const showPost = (number, text) => {
  const item = list.children[number] || list.appendChild(document.createElement("li"));
  if (!item.firstChild) {
    item.className = "post";
    item.append(document.createElement("span"));
    item.firstChild.className = "text";
    item.firstChild.dir = "auto";
  }
  item.firstChild.textContent = text;
  return item;
};

const finish = (text) => {
  for (const item of list.querySelectorAll(".now")) item.classList.remove("now");
  if (stream) stream.close();
  stream = null;
  go.disabled = false;
  stop.hidden = true;
  state.textContent = text;
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  list.replaceChildren();
  tools.hidden = true;
  go.disabled = true;
  stop.hidden = false;
  state.textContent = "Asking …";
  const asked = new URLSearchParams({
    start: document.getElementById("start").value,
    number: field("number"),
    temperature: field("temperature"),
  });
  if (field("seed")) asked.set("seed", field("seed"));
  const address = `/api/bots/${encodeURIComponent(form.dataset.bot)}/posts?drafts=true&${asked}`;
  let seed = null;
  let finished = 0;
  stream = new EventSource(address);
  const on = (name, act) => stream.addEventListener(name, (e) => act(JSON.parse(e.data)));
  on("seed", (given) => {
    seed = given;
    wish = { ...Object.fromEntries(asked), seed };
  });
  on("ahead", (ahead) => {
    state.textContent = ahead === 1 ? "One visitor is before you." : `${ahead} visitors are before you.`;
  });
  on("loading", () => { state.textContent = "Loading the bot …"; });
  on("loaded", () => { state.textContent = "Writing …"; });
  on("drafts", (texts) => {
    texts.forEach((text, number) => {
      if (number >= finished) showPost(number, text).classList.add("now");
    });
  });
  on("post", (text) => {
    showPost(finished, text).classList.remove("now");
    finished += 1;
  });
  on("failure", (message) => finish(message));
  on("end", (end) => {
    finish(`${end.posts} posts in ${end.seconds.toFixed(1)} s · seed ${seed}`);
    tools.hidden = end.posts === 0;
  });
  stream.onerror = async () => {
    // A refusal, such as of too many visitors, is not readable here; once more, to read why.
    if (seed !== null || !stream) {
      finish("The connection was lost.");
      return;
    }
    stream.close();
    const answer = await fetch(address).catch(() => null);
    const refused = answer && !answer.ok ? (await answer.json()).error : null;
    if (answer && answer.ok) answer.body.cancel();
    finish(refused || "The server does not answer.");
  };
});

stop.addEventListener("click", () => finish("Stopped."));

preview.addEventListener("click", async () => {
  preview.disabled = true;
  const answer = await fetch(`/api/bots/${encodeURIComponent(form.dataset.bot)}/preview`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      start: wish.start,
      number: Number(wish.number),
      temperature: Number(wish.temperature),
      seed: wish.seed,
    }),
  }).catch(() => null);
  preview.disabled = false;
  if (answer && answer.ok) {
    const picture = document.getElementById("picture");
    picture.src = `${picture.src.split("?")[0]}?${Date.now()}`;
    state.textContent = "These posts are on the preview picture now.";
  } else {
    state.textContent = answer ? (await answer.json()).error : "The server does not answer.";
  }
});
