// Search and sort of the gallery; without it all bots are shown by name.
"use strict";
const tools = document.getElementById("tools");
if (tools) {
  const list = document.getElementById("cards");
  const cards = [...list.children];
  const search = document.getElementById("search");
  const sort = document.getElementById("sort");
  const found = document.getElementById("found");
  const number = (card, key) => (card.dataset[key] === "" ? Infinity : Number(card.dataset[key]));
  const orders = {
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name),
    posts: (a, b) => number(b, "posts") - number(a, "posts"),
    loss: (a, b) => number(a, "loss") - number(b, "loss"),
    made: (a, b) => b.dataset.made.localeCompare(a.dataset.made),
  };
  const show = () => {
    const words = search.value.toLowerCase();
    let shown = 0;
    for (const card of cards) {
      card.hidden = !card.textContent.toLowerCase().includes(words);
      shown += card.hidden ? 0 : 1;
    }
    found.textContent = words ? `${shown} of ${cards.length}` : "";
  };
  search.addEventListener("input", show);
  sort.addEventListener("change", () => list.append(...[...cards].sort(orders[sort.value])));
  tools.hidden = false;
  show();
}
