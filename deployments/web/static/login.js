"use strict";
const form = document.getElementById("login");
const state = document.getElementById("state");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  state.textContent = "";
  const token = document.getElementById("token").value;
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  }).catch(() => null);
  if (answer && answer.ok) {
    const to = new URLSearchParams(location.search).get("to") || "/";
    location.assign(/^\/(?![/\\])/.test(to) ? to : "/");
  } else {
    const error = answer ? `${(await answer.json()).error}.` : "The server does not answer.";
    state.textContent = error.replace(/^./, (letter) => letter.toUpperCase());
  }
});
