// Times as Discord shows them; relative ones tick.

import { h } from "./dom.js";

const UNITS = Object.entries({
  year: 31_536_000,
  month: 2_592_000,
  day: 86_400,
  hour: 3_600,
  minute: 60,
  second: 1,
});
const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};
const plain = new Intl.DateTimeFormat("en-GB", STYLES.T);
let relative = null;
let formats = null;

/** Times are shown in this language from now on, as Discord's client does. */
export function speak(locale) {
  const format = ([key, style]) => [key, new Intl.DateTimeFormat(locale, style)];
  formats = Object.fromEntries(Object.entries(STYLES).map(format));
  relative = new Intl.RelativeTimeFormat(locale, { numeric: "always" });
}
speak("en-GB");

function words(at, style) {
  if (style !== "R") return (formats[style] ?? formats.f).format(at * 1000);
  const left = at - Date.now() / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(left) >= size) ?? UNITS.at(-1);
  return relative.format(Math.round(left / size), unit);
}

/** A `<time>` of seconds since 1970. */
export function stamp(at, style = "f") {
  const iso = new Date(at * 1000);
  if (Number.isNaN(iso.getTime())) return `<t:${at}>`;
  const shown = { datetime: iso.toISOString(), title: formats.F.format(iso), "data-at": at, "data-style": style };
  return h("time", shown, words(at, style));
}

export const clock = (at) => plain.format(at * 1000);

setInterval(() => {
  for (const time of document.querySelectorAll('time[data-style="R"]')) {
    const now = words(Number(time.dataset.at), "R");
    if (time.textContent !== now) time.textContent = now;
  }
}, 1000);
