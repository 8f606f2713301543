// Lets the bot of the page write in the visitor's browser: llama.cpp as WebAssembly, by wllama.
// Nothing leaves the page; the address of a shared post holds its start, seed and temperature.
import { LoggerWithoutDebug, Wllama } from "./wllama/index.min.js";

const COUNT = 5;
const LARGEST_SEED = 2 ** 31 - 1;
const MOST_FAILURES = 3;
const NEVER = -1000; // added to a token's logit
// Also against at signs that are made of several tokens, and against bytes that are no text, on which
// wllama would end. llama.cpp looks at it only for the token that it has drawn.
const GRAMMAR = "root ::= [^@\\uFF20\\uD800-\\uDFFF]*";

const box = document.getElementById("writer");
const { model, banned, bot } = box.dataset;
const form = document.getElementById("write");
const startField = document.getElementById("start");
const heat = document.getElementById("temperature");
const heatShown = document.getElementById("temperature-value");
const button = document.getElementById("go");
const status = document.getElementById("status");
const bar = document.getElementById("progress");
const list = document.getElementById("posts");

const bias = Object.fromEntries(banned.split(" ").filter(Boolean).map((id) => [id, NEVER]));
const label = button.textContent;
let loading; // a promise of the model
let stopping; // an AbortController while the bot writes
let shared = readAddress();

form.hidden = false;
document.getElementById("no-writer").hidden = true;
heat.addEventListener("input", () => (heatShown.textContent = Number(heat.value).toFixed(1)));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (stopping) stopping.abort();
  else write();
});
window.addEventListener("hashchange", () => (shared = readAddress()));

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const seed = Number(given.get("seed"));
  if (!given.has("seed") || !Number.isInteger(seed) || seed < 0 || seed > LARGEST_SEED) return null;
  const temperature = Number(given.get("temperature"));
  startField.value = (given.get("start") ?? "").slice(0, startField.maxLength);
  if (temperature >= Number(heat.min) && temperature <= Number(heat.max)) heat.value = temperature;
  heatShown.textContent = Number(heat.value).toFixed(1);
  status.textContent = "Somebody shared a post: press the button, and the bot writes it again.";
  return seed;
}

async function load() {
  const wllama = new Wllama(
    { default: new URL("./wllama/wllama.wasm", import.meta.url).href },
    { logger: LoggerWithoutDebug, suppressNativeLog: true },
  );
  wllama.setCompat(null); // else Safari would fetch another build from elsewhere
  bar.hidden = false;
  try {
    await wllama.loadModelFromUrl(new URL(model, location.href).href, {
      n_ctx: 512,
      n_parallel: 1,
      n_gpu_layers: 0, // so that a seed writes the same everywhere
      progressCallback: ({ loaded, total }) => {
        bar.max = total;
        bar.value = loaded;
        // In steps, since a screen reader says each.
        status.textContent = `Loading the bot: ${Math.floor((loaded / total) * 4) * 25} %`;
      },
    });
  } finally {
    bar.hidden = true;
  }
  return wllama;
}

async function write() {
  stopping = new AbortController();
  button.textContent = "Stop";
  const start = startField.value.trim().replace(/[@\uff20]+$/, "");
  const temperature = Number(heat.value);
  const seed = shared ?? crypto.getRandomValues(new Uint32Array(1))[0] % (LARGEST_SEED - COUNT);
  shared = null;
  let tokens = 0;
  let done = 0;
  let failed = 0;
  try {
    loading ??= load();
    let wllama = await loading;
    const begun = performance.now();
    list.replaceChildren();
    while (done < COUNT && !stopping.signal.aborted) {
      status.textContent = `Writing post ${done + 1} of ${COUNT} …`;
      try {
        tokens += await writeOne(wllama, start, temperature, (seed + done + failed) % LARGEST_SEED);
        done += !stopping.signal.aborted;
      } catch (error) {
        // wllama ends on bytes that are no text; it is loaded again, and the next seed has its turn.
        if (++failed > MOST_FAILURES) throw error;
        loading = load();
        wllama = await loading;
      }
    }
    const seconds = (performance.now() - begun) / 1000;
    const speed = `${done} post${done === 1 ? "" : "s"}, ${tokens} tokens in ${seconds.toFixed(1)} s`;
    status.textContent = stopping.signal.aborted ? `Stopped after ${speed}.` : `${speed}.`;
  } catch (error) {
    loading = undefined;
    status.textContent = `The bot could not write here (${error.message}). Reload the page, or try another browser.`;
  } finally {
    stopping = undefined;
    button.textContent = label;
  }
}

async function writeOne(wllama, start, temperature, seed) {
  const item = document.createElement("li");
  const text = document.createElement("span");
  item.className = "post now";
  text.className = "text";
  text.dir = "auto";
  text.textContent = start;
  item.append(text);
  list.append(item);
  let tokens = 0;
  try {
    const pieces = await wllama.createCompletion({
      prompt: start,
      max_tokens: Number(box.dataset.tokens),
      temperature,
      top_p: Number(box.dataset.topP),
      top_k: 0,
      min_p: 0,
      seed,
      logit_bias: bias,
      grammar: GRAMMAR,
      stream: true,
      abortSignal: stopping.signal,
    });
    for await (const piece of pieces) {
      const added = piece.choices?.[0]?.text ?? "";
      tokens += added !== "";
      text.textContent += added;
    }
  } catch (error) {
    if (!stopping.signal.aborted) {
      item.remove();
      throw error;
    }
  } finally {
    item.classList.remove("now");
  }
  text.textContent = text.textContent.trim();
  if (text.textContent) item.append(actions(text.textContent, start, temperature, seed));
  else item.remove();
  return tokens;
}

function actions(text, start, temperature, seed) {
  const acts = document.createElement("div");
  acts.className = "acts";
  const credit = `${text}\n\n(Written by an AI trained on posts by ${bot}; not by them.)`;
  acts.append(
    action("Copy", "Copied", () => navigator.clipboard.writeText(credit)),
    action("Share link", "Link copied", async () => {
      const address = new URL(location.href);
      address.hash = new URLSearchParams({ start, seed, temperature }).toString();
      if (navigator.share) await navigator.share({ text: credit, url: address.href });
      else await navigator.clipboard.writeText(`${credit}\n${address.href}`);
    }),
  );
  return acts;
}

function action(name, after, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = name;
  made.addEventListener("click", async () => {
    try {
      await act();
      made.textContent = after;
      status.textContent = `${after}.`;
    } catch (error) {
      if (error.name !== "AbortError") status.textContent = `${name}: ${error.message}`;
    }
    setTimeout(() => (made.textContent = name), 2000);
  });
  return made;
}
