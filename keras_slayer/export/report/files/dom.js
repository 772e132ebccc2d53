"use strict";

const report = JSON.parse(document.getElementById("report").textContent);
const LAYER_COLOURS = 8;
// By name: relays and constant sources have a number, but are no layers of the model.
const layerNumbers = new Map(report.mapping.layers.map((layer, index) => [layer.name, index]));
// Layers that only change the shape have no neurons, hence no cores.
const firing = report.layers.filter((layer) => layer.neurons > 0);
const count = (number) => number.toLocaleString("en");
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const percent = (share) => `${(100 * share).toFixed(0)}%`;

document.documentElement.classList.add("script");

/** A new last child of `parent`; `text` is set as text, whatever it holds. */
function add(parent, tag, attributes = {}, text = undefined) {
  const isSvg = tag === "svg" || parent.namespaceURI === "http://www.w3.org/2000/svg";
  const child = isSvg
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) child.setAttribute(name, value);
  if (text !== undefined) child.textContent = text;
  return parent.appendChild(child);
}

function layerColour(index) {
  return `--layer: var(--layer-${index % LAYER_COLOURS})`;
}

function addLayerName(parent, index, name) {
  add(parent, "span", { class: "swatch", style: layerColour(index) }, index + 1);
  add(parent, "b", {}, name);
}

/** An empty plot that fills its column, with texts evenly along its horizontal axis. */
function addPlot(parent, height, viewBox, label, axis) {
  const svg = add(parent, "svg", {
    class: "plot", viewBox, preserveAspectRatio: "none", role: "img", "aria-label": label,
    style: `height: ${height}px`,
  });
  const scale = add(parent, "div", { class: "scale axis", "aria-hidden": "true" });
  axis.forEach((text, i) => add(scale, "span", { style: `left: ${(100 * i) / (axis.length - 1)}%` }, text));
  return svg;
}

const tooltip = document.getElementById("tooltip");

/** Shows what `fill(tooltip)` writes, beside the point (x, y) and within the window. */
function showTooltip(x, y, fill) {
  tooltip.replaceChildren();
  fill(tooltip);
  tooltip.hidden = false;
  const { width, height } = tooltip.getBoundingClientRect();
  const room = document.documentElement.clientWidth - width - 8;
  tooltip.style.left = `${Math.max(8, Math.min(x + 14, room))}px`;
  tooltip.style.top = `${y + 18 + height > innerHeight ? Math.max(8, y - height - 12) : y + 18}px`;
}

function hideTooltip() {
  tooltip.hidden = true;
}

/** Shows the text of `describe(x, y)`, coordinates of the plot from 0 to 1, under the pointer. */
function describeUnderPointer(svg, describe) {
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const text = describe((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    showTooltip(event.clientX, event.clientY, (target) => { target.textContent = text; });
  });
  svg.addEventListener("pointerleave", hideTooltip);
}

