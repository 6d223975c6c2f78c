// The components of a message, Components V2 and older ones, as nodes that change in place.

import { h } from "./dom.js";
import { act } from "./live.js";
import { markdown } from "./markdown.js";
import { settle } from "./modal.js";

const STYLES = ["", "primary", "secondary", "success", "danger", "link", "primary"];
const CONTAINER = 17;

/** What a message shows, as components: its text, its files and its embeds before its own. */
export function shown(message) {
  const media = message.attachments.filter((file) => /^(image|video)\//.test(file.content_type ?? ""));
  const others = message.attachments.filter((file) => !media.includes(file));
  return [
    ...(message.content ? [{ type: 10, content: message.content }] : []),
    ...(media.length ? [{ type: 12, items: media.map((file) => ({ media: file, description: file.description ?? file.filename })) }] : []),
    ...others.map((file) => ({ type: 13, file, name: file.filename, size: file.size })),
    ...message.embeds.map((embed) => ({ type: CONTAINER, accent_color: embed.color, components: [{ type: 10, content: words(embed) }] })),
    ...message.components,
  ];
}

const words = ({ title, description }) => [title && `### ${title}`, description].filter(Boolean).join("\n") || "​";

/** Brings the children of a node to these components; what has not changed is left alone, so a video plays on. */
export function fill(parent, components, context) {
  const old = [...parent.children];
  components.forEach((component, number) => {
    const json = JSON.stringify(component);
    const there = old[number];
    if (there?.json === json) return;
    if (there?.kind === CONTAINER && component.type === CONTAINER) {
      tint(there, component);
      fill(there, component.components, context);
      there.json = json;
      return;
    }
    const node = draw(component, context);
    Object.assign(node, { json, kind: component.type });
    if (there) there.replaceWith(node);
    else parent.append(node);
  });
  old.slice(components.length).forEach((node) => node.remove());
}

function draw(component, context) {
  const build = BUILDERS[component.type];
  return build ? build(component, context) : h("p", { class: "subtext" }, `(a component of type ${component.type})`);
}

const BUILDERS = {
  1: ({ components }, context) => h("div", { class: "row" }, components.map((one) => draw(one, context))),
  2: button,
  3: select,
  9: ({ components, accessory }, context) =>
    h("div", { class: "section" }, h("div", {}, components.map((one) => draw(one, context))), draw(accessory, context)),
  10: ({ content }) => h("div", { class: "text" }, markdown(content)),
  11: ({ media, description }) => h("img", { class: "thumbnail", src: media.url, alt: description ?? "" }),
  12: (component, context) => h("div", { class: "gallery" }, component.items.map((item) => picture(item, context))),
  13: ({ file, name, size }) =>
    h("a", { class: "file", href: file.url, target: "_blank", rel: "noopener" }, `📄 ${name}`, h("small", {}, ` ${Math.ceil(size / 1024)} KB`)),
  14: ({ divider }) => (divider ? h("hr") : h("div", { class: "gap" })),
  [CONTAINER]: (component, context) => {
    const node = h("div", { class: "container" });
    tint(node, component);
    fill(node, component.components, context);
    return node;
  },
};

function tint(node, { accent_color: colour }) {
  node.style.setProperty("--accent", Number.isInteger(colour) ? `#${colour.toString(16).padStart(6, "0")}` : "var(--line)");
}

function picture({ media, description }, context) {
  if (!/^video\//.test(media.content_type ?? "")) return h("img", { src: media.url, alt: description ?? "A picture", loading: "lazy" });
  const name = description ?? new URL(media.url).pathname.split("/").pop();
  const video = h("video", { src: media.url, controls: true, playsinline: true, preload: "metadata", "aria-label": `Video ${name}` });
  // What comes while one looks plays by itself, without a sound, where that is welcome.
  video.autoplay = context.live && !matchMedia("(prefers-reduced-motion: reduce)").matches;
  video.muted = video.autoplay;
  return video;
}

function button(component, context) {
  const label = [component.emoji?.name, component.label].filter(Boolean).join(" ");
  if (component.url) return h("a", { class: "button link", href: component.url, target: "_blank", rel: "noopener noreferrer" }, label, " ↗");
  const node = h("button", { type: "button", class: `button ${STYLES[component.style]}`, disabled: component.disabled }, label);
  node.addEventListener("click", () => press(node, component, context));
  return node;
}

function select(component, context) {
  const many = (component.max_values ?? 1) > 1;
  const node = h(
    "select",
    { "aria-label": component.placeholder ?? "Choose", multiple: many, disabled: component.disabled },
    !many && h("option", { value: "", disabled: true, selected: true }, component.placeholder ?? "Make a selection"),
    component.options.map((one) => h("option", { value: one.value, selected: one.default }, one.label)),
  );
  const chosen = () => [...node.selectedOptions].map((option) => option.value);
  if (!many) node.addEventListener("change", () => press(node, component, context, chosen()));
  return many ? h("div", { class: "row" }, node, h("button", { type: "button", class: "button", onclick: () => press(node, component, context, chosen()) }, "Choose")) : node;
}

async function press(node, component, { message }, values) {
  if (node.getAttribute("aria-busy")) return;
  node.setAttribute("aria-busy", "true");
  const answer = await act({ do: "press", message, custom_id: component.custom_id, values });
  node.removeAttribute("aria-busy");
  settle(answer);
}
