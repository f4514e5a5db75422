"use strict";
// Asks every few seconds whether this page is still allowed, by the question that opening it asks. As soon as it is
// not, what stands on the page can no longer be used, and the reasons are read out.
(() => {
  const main = document.querySelector("main[data-watch]");
  const bar = document.getElementById("toegang");
  const content = main && main.querySelector(".content");
  if (!content || !bar) return;
  const every = 1500;
  const longest = 5000;
  let shown = "";

  const element = (name, text) => {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  };

  const show = (title, lines, link) => {
    const text = JSON.stringify([title.textContent, lines]);
    if (text === shown) return;
    shown = text;
    const inner = document.createElement("div");
    inner.className = "width";
    inner.append(title);
    if (lines.length) {
      const list = document.createElement("ul");
      list.append(...lines.map((line) => element("li", line)));
      inner.append(list);
    }
    if (link) {
      const anchor = element("a", "Opnieuw inloggen");
      anchor.href = link;
      inner.append(anchor);
    }
    bar.replaceChildren(inner);
  };

  const closed = (title, lines, link) => {
    bar.classList.remove("open");
    // While the page's own title cannot be reached, this is the title.
    show(element("h1", title), lines, link);
    content.inert = true;
  };

  const open = () => {
    if (!content.inert) return;
    content.inert = false;
    bar.classList.add("open");
    show(element("p", "U hebt weer toegang. U kunt verder waar u was."), []);
  };

  const sentences = (reason) => {
    const details = reason.details || {};
    const lines = [(details.message || reason.message).nl];
    if (details.nature) lines.push(`Wat er aan de hand is: ${details.nature}.`);
    return lines;
  };

  const look = async () => {
    try {
      const answer = await fetch(main.dataset.watch, {
        headers: { Accept: "application/json" },
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout(longest),
      });
      if (answer.ok) {
        // A body that nobody reads keeps its connection, of which a browser has few.
        await answer.text();
        open();
      } else if (answer.status === 401) {
        closed("U bent niet meer ingelogd op het juiste niveau", [], "/inloggen");
      } else {
        const problem = await answer.json();
        closed("Uw toegang is onderbroken", problem.reasons.flatMap(sentences));
      }
    } catch {
      closed("Wij kunnen nu niet controleren of u toegang hebt", ["Deze pagina gaat vanzelf verder als het weer kan."]);
    }
  };

  const watch = async () => {
    await look();
    setTimeout(watch, every);
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  setTimeout(watch, every);
})();
