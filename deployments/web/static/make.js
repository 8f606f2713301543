// What a bot is to be made of: files are uploaded, then a job reads them.
"use strict";
const form = document.getElementById("make");
const list = document.getElementById("sources");
const template = document.getElementById("source");
const add = document.getElementById("add");
const go = document.getElementById("go");
const state = document.getElementById("state");
const MOST = 3;
form.hidden = false;

const number = () => {
  [...list.children].forEach((each, at) => {
    each.querySelector("legend").textContent = list.children.length > 1 ? `Account ${at + 1}` : "Account";
    each.querySelector(".remove").hidden = list.children.length === 1;
  });
  add.hidden = list.children.length >= MOST;
};

const addSource = () => {
  const source = template.content.firstElementChild.cloneNode(true);
  const part = (name) => source.querySelector(`[name="${name}"]`);
  const drop = source.querySelector(".drop");
  part("kind").addEventListener("change", () => {
    const ofFile = part("kind").value === "file";
    source.querySelector(".of-file").hidden = !ofFile;
    part("handle").placeholder = part("kind").value === "bluesky" ? "alice.bsky.social" : "alice";
  });
  source.querySelector(".remove").addEventListener("click", () => {
    source.remove();
    number();
  });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) part("file").files = event.dataTransfer.files;
  });
  list.append(source);
  number();
};

// By XMLHttpRequest, since fetch does not say how much of a body is sent.
const send = (file, bar) =>
  new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/uploads?name=${encodeURIComponent(file.name.slice(-200))}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    bar.hidden = false;
    request.upload.addEventListener("progress", (event) => { bar.value = event.loaded / event.total; });
    request.addEventListener("load", () => {
      if (request.status === 201) done(request.response.upload);
      else fail(new Error(request.response ? request.response.error : "The upload was refused: the file may be too large."));
    });
    request.addEventListener("error", () => fail(new Error("The upload was cut off.")));
    request.send(file);
  });

const columnsOf = (text) =>
  Object.fromEntries(
    text.split(",").filter((each) => each.includes("=")).map((each) => {
      const at = each.indexOf("=");
      return [each.slice(0, at).trim(), each.slice(at + 1).trim()];
    }),
  );

const asked = async (source) => {
  const part = (name) => source.querySelector(`[name="${name}"]`);
  const handle = part("handle").value.trim();
  if (part("kind").value !== "file") {
    if (!handle) throw new Error("Name the account.");
    return { service: part("kind").value, handle };
  }
  const file = part("file").files[0];
  if (!file) throw new Error("Choose a file.");
  if (file.size === 0) throw new Error("The file is empty.");
  const upload = await send(file, source.querySelector("progress"));
  const found = { upload, text: part("text").checked, columns: columnsOf(part("columns").value) };
  if (handle) found.handle = handle;
  if (part("day_first").value) found.day_first = part("day_first").value === "true";
  return found;
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  state.textContent = "";
  go.disabled = true;
  const sources = [];
  let failed = false;
  for (const source of list.children) {
    const shown = source.querySelector(".state");
    shown.textContent = "";
    try {
      sources.push(await asked(source));
    } catch (error) {
      shown.textContent = error.message;
      failed = true;
    }
  }
  if (!failed) {
    const answer = await fetch("/api/jobs", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sources, base: document.getElementById("base").value }),
    }).catch(() => null);
    if (answer && answer.ok) {
      location.assign(`/make/${(await answer.json()).job}`);
      return;
    }
    state.textContent = answer ? (await answer.json()).error : "The server does not answer.";
  }
  go.disabled = false;
});

add.addEventListener("click", addSource);
addSource();
go.disabled = false;
