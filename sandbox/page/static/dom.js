// Small ways to build nodes. What others wrote only ever becomes text.

export const find = (id) => document.getElementById(id);

/** An element; attributes by name, `on…` as listeners, children as nodes or text. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/** A button that does something when it is pressed. */
export const button = (words, then, attributes = {}) =>
  h("button", { type: "button", onclick: then, ...attributes }, words);

function called(node) {
  const words = node.getAttribute("href") ?? node.getAttribute("aria-label") ?? node.textContent;
  return [node.localName, node.name, node.value, words].join();
}

/** Draws anew inside a node; what had the focus gets it back, found by what it is called. */
export function redraw(node, draw) {
  const had = node.contains(document.activeElement) && called(document.activeElement);
  draw();
  if (had) [...node.querySelectorAll("a, button, input, select")].find((one) => called(one) === had)?.focus();
}

/** Puts a node among its siblings by `order`, in place of the one with the same key. */
export function put(list, key, order, node) {
  const old = list.querySelector(`:scope > [data-key="${CSS.escape(key)}"]`);
  node.dataset.key = key;
  node.dataset.order = order;
  if (old) return redraw(list, () => old.replaceWith(node));
  let after = list.lastElementChild;
  while (after && after.dataset.order > order) after = after.previousElementSibling;
  if (after) after.after(node);
  else list.prepend(node);
}

export const drop = (list, key) => list.querySelector(`:scope > [data-key="${CSS.escape(key)}"]`)?.remove();

/** Says something to a screen reader. */
export function announce(text) {
  find("announce").textContent = text;
}

/** Says something to everybody, above where one writes; nothing hides it. */
export function notice(text) {
  const line = find("notice");
  line.hidden = !text;
  line.replaceChildren();
  if (text) line.append(text, button("Dismiss", () => notice(""), { class: "plain" }));
}

/** Arrow keys among the children that `selector` finds; `go` gets the one to go to. */
export function arrows(event, nodes, go) {
  const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
  const at = nodes.indexOf(document.activeElement);
  let to = null;
  if (event.key in steps) to = (at + steps[event.key] + nodes.length) % nodes.length;
  if (event.key === "Home") to = 0;
  if (event.key === "End") to = nodes.length - 1;
  if (to === null || !nodes.length) return;
  event.preventDefault();
  go(nodes[to]);
}

export const avatar = (name, bot) =>
  bot
    ? h("img", { class: "avatar", src: "/static/icon.svg", alt: "" })
    : h("span", { class: "avatar", "aria-hidden": "true", "data-tint": name.length % 4 }, name[0]);
