// Search, language and order of the cards; the page is whole without it.
const form = document.getElementById("find");
const list = document.getElementById("bots");

if (form && list) {
  const cards = [...list.children];
  const found = document.getElementById("found");
  const query = document.getElementById("query");
  const language = document.getElementById("language");
  const order = document.getElementById("order");
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const names = new Map(cards.map((card) => [card, plain(card.dataset.name)]));
  const orders = {
    made: (a, b) => b.dataset.made.localeCompare(a.dataset.made),
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name),
    posts: (a, b) => b.dataset.posts - a.dataset.posts,
    better: (a, b) => b.dataset.better - a.dataset.better,
  };

  const show = () => {
    const words = plain(query.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const speaks = !language?.value || card.dataset.languages.split(" ").includes(language.value);
      const named = words.every((word) => names.get(card).includes(word.replace(/^@/, "")));
      card.hidden = !(speaks && named);
      shown += !card.hidden;
    }
    found.textContent = shown === cards.length ? "" : `${shown} of ${cards.length}`;
  };
  const sort = () => list.append(...cards.sort(orders[order.value]));

  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  order.addEventListener("change", sort);
  // What the browser keeps of a form when one comes back to the page.
  sort();
  show();
}
