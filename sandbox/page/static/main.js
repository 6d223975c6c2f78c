// Puts the page together.

import { find } from "./dom.js";
import { connect } from "./live.js";
import "./chat.js";
import "./composer.js";
import "./inspector.js";

find("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

// On a narrow screen the sides are drawers.
for (const name of ["places", "inspector"]) {
  const [opener, side, open] = [find(`open-${name}`), find(name), `${name}-open`];
  const follow = () => {
    opener.setAttribute("aria-expanded", String(document.body.classList.contains(open)));
  };
  new MutationObserver(follow).observe(document.body, { attributeFilter: ["class"] });
  opener.addEventListener("click", () => {
    document.body.classList.toggle(open);
    document.body.classList.remove(name === "places" ? "inspector-open" : "places-open");
    if (document.body.classList.contains(open)) side.querySelector("a, input, button").focus();
  });
  side.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.body.classList.contains(open)) return;
    document.body.classList.remove(open);
    opener.focus();
  });
}

document.querySelector("main").addEventListener("click", () => {
  document.body.classList.remove("places-open", "inspector-open");
});

connect();
