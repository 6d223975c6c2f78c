// What the sandbox tells this tab, and what this tab asks of it.

import { find } from "./dom.js";

export const me = new URLSearchParams(location.search).get("as") ?? sessionStorage.getItem("as") ?? "mia";
sessionStorage.setItem("as", me);

/** All that is known, by key: `world`, `place:…`, `message:…`, `faults`, `job:…`, `request:…`, … */
export const state = new Map();
const watchers = [];

/** Calls `then` with the keys under a prefix that have changed or gone. */
export const watch = (prefix, then) => watchers.push([prefix, then]);

export const all = (prefix) => [...state].filter(([key]) => key.startsWith(prefix)).map(([, value]) => value);

export function connect() {
  const socket = new WebSocket(`ws://${location.host}/live?as=${encodeURIComponent(me)}`);
  let first = true;
  socket.onmessage = ({ data }) => {
    const { set, gone } = JSON.parse(data);
    if (first) gone.push(...[...state.keys()].filter((key) => !(key in set))); // the first telling is of everything
    first = false;
    find("offline").hidden = true;
    gone.forEach((key) => state.delete(key));
    Object.entries(set).forEach(([key, value]) => state.set(key, value));
    const changed = [...Object.keys(set), ...gone];
    for (const [prefix, then] of watchers) {
      const keys = changed.filter((key) => key.startsWith(prefix));
      if (keys.length) then(keys);
    }
  };
  socket.onclose = () => {
    find("offline").hidden = false;
    setTimeout(connect, 1000);
  };
}

/** Has something done; the answer may hold `error`, a sentence, or `modal`. `files` are lists by name of field. */
export async function perform(asked, files = {}) {
  const form = new FormData();
  form.append("action", JSON.stringify({ as: me, ...asked }));
  for (const [name, list] of Object.entries(files)) list.forEach((file) => form.append(name, file, file.name));
  try {
    return await (await fetch("/actions", { method: "POST", body: form })).json();
  } catch {
    return { error: "The sandbox does not answer. Is it still running?" };
  }
}
