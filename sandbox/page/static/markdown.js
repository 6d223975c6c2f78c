// Discord's markdown, as nodes.

import { h } from "./dom.js";
import { all, state } from "./live.js";
import { stamp } from "./time.js";

const link = (url, words) => h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, words ?? url);
const mention = (words) => h("span", { class: "mention" }, words);

function named(kind, key) {
  const world = state.get("world");
  const found = [...world[kind], world.bot].find((one) => one.id === key);
  return mention(`@${found?.name ?? "unknown"}`);
}

const spoiler = (nodes) => h("details", { class: "spoiler" }, h("summary", {}, "Spoiler"), nodes);
const channel = (key) => mention(`#${all("place:").find((place) => place.id === key)?.name ?? "unknown"}`);

const INLINE = [
  [/`([^`]+)`/y, ([, words]) => h("code", {}, words)],
  [/\\([^\w\s])/y, ([, sign]) => sign],
  [/<t:(-?\d{1,12})(?::([a-zA-Z]))?>/y, ([, at, style]) => stamp(Number(at), style)],
  [/<@!?(\d+)>/y, ([, key]) => named("people", key)],
  [/<@&(\d+)>/y, ([, key]) => named("roles", key)],
  [/<#(\d+)>/y, ([, key]) => channel(key)],
  [/<\/([^:>]+):\d+>/y, ([, name]) => mention(`/${name}`)],
  [/<(https?:\/\/[^\s>]+)>/y, ([, url]) => link(url)],
  [/\[([^\]]+)\]\(<?(https?:\/\/[^\s)>]+)>?\)/y, ([, words, url]) => link(url, inline(words))],
  [/https?:\/\/[^\s<>]*[^\s<>.,:;"')\]]/y, ([url]) => link(url)],
  [/\*\*([\s\S]+?)\*\*/y, ([, words]) => h("strong", {}, inline(words))],
  [/__([\s\S]+?)__/y, ([, words]) => h("u", {}, inline(words))],
  [/~~([\s\S]+?)~~/y, ([, words]) => h("s", {}, inline(words))],
  [/\|\|([\s\S]+?)\|\|/y, ([, words]) => spoiler(inline(words))],
  [/\*(?!\s)([^*]+)\*/y, ([, words]) => h("em", {}, inline(words))],
  [/(?<!\w)_([^_]+)_(?!\w)/y, ([, words]) => h("em", {}, inline(words))],
];

/** One run of text: a list of nodes and strings. */
function inline(text) {
  const nodes = [];
  let plain = "";
  for (let at = 0; at < text.length; ) {
    const found = INLINE.map(([pattern, build]) => {
      pattern.lastIndex = at;
      return [pattern.exec(text), build];
    }).find(([match]) => match);
    if (found) {
      nodes.push(plain, found[1](found[0]));
      plain = "";
      at += found[0][0].length;
    } else {
      plain += text[at++];
    }
  }
  return [...nodes, plain].filter((node) => node !== "");
}

const BLOCKS = [
  [/^(#{1,3}) +(.+)$/, ([, marks, words]) => h("h3", { class: `size-${marks.length}` }, inline(words))],
  [/^-# +(.+)$/, ([, words]) => h("p", { class: "subtext" }, inline(words))],
  [/^ *[-*] +(.+)$/, ([, words]) => h("li", {}, inline(words)), "ul"],
  [/^ *\d+\. +(.+)$/, ([, words]) => h("li", {}, inline(words)), "ol"],
  [/^> (.+)$/, ([, words]) => h("p", {}, inline(words)), "blockquote"],
];

function lines(text) {
  const nodes = [];
  for (const line of text.split("\n")) {
    const block = BLOCKS.find(([pattern]) => pattern.test(line));
    const last = nodes.at(-1);
    if (block) {
      const [pattern, build, around] = block;
      const node = build(pattern.exec(line));
      if (!around) nodes.push(node);
      else if (last?.localName === around) last.append(node);
      else nodes.push(h(around, {}, node));
    } else if (line.trim()) {
      if (last?.localName === "p" && !last.className) last.append(h("br"), ...inline(line));
      else nodes.push(h("p", {}, inline(line)));
    }
  }
  return nodes;
}

/** The whole of a text. */
export function markdown(text) {
  return text.split(/```(?:[\w+-]+\n)?\n?([\s\S]+?)```/).flatMap((part, number) =>
    number % 2 ? [h("pre", { tabindex: "0" }, h("code", {}, part.replace(/\n$/, "")))] : lines(part),
  );
}
