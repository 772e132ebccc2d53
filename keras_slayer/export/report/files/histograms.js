// Integer weights of each layer, all on one horizontal axis. Bars are as wide as the layer's step:
// 2 for 8 bits.

const HEIGHT = 100;

function drawHistograms(logarithmic) {
  const target = document.getElementById("histograms");
  target.replaceChildren();
  const largest = Math.max(0, ...firing.flatMap((layer) => layer.histogram.map(([w]) => Math.abs(w))));
  const range = Math.min(256, Math.max(32, 32 * Math.ceil(largest / 32)));
  for (const layer of firing) drawHistogram(target, layer, layerNumbers.get(layer.name), range, logarithmic);
  showSelection();
}

function drawHistogram(target, layer, index, range, logarithmic) {
  const figure = add(target, "figure", { "data-layer": index, style: layerColour(index) });
  const caption = add(figure, "figcaption");
  addLayerName(caption, index, layer.name);
  const zero = layer.weights ? layer.zero_weights / layer.weights : 0;
  const clipped = layer.out_of_range_weights;
  const facts = [plural(layer.weights, "weight"), `${percent(zero)} zero`];
  if (clipped) facts.push(`${count(clipped)} clipped`);
  add(caption, "div", { class: "quiet" }, facts.join(", "));
  const highest = Math.max(1, ...layer.histogram.map(([, n]) => n));
  const heightOf = (n) => (HEIGHT * (logarithmic ? Math.log1p(n) / Math.log1p(highest) : n / highest));
  const kind = logarithmic ? "logarithmic counts" : "counts";
  add(figure, "div", { class: "scale", "aria-hidden": "true" }, count(highest));
  const svg = addPlot(
    figure, 110, `${-range - 1} 0 ${2 * range + 2} ${HEIGHT}`,
    `Histogram of the weights of ${layer.name}, ${kind}: ${facts.join(", ")}`,
    [-range, -range / 2, 0, range / 2, range],
  );
  const step = 2 ** (9 - layer.weight_bits);
  const ends = [-256, 256 - step];
  const bar = ([weight, n]) => `M${weight - 0.45 * step} ${HEIGHT}v${-heightOf(n)}h${0.9 * step}v${heightOf(n)}z`;
  const isEnd = ([weight]) => clipped > 0 && ends.includes(weight);
  add(svg, "path", { class: "bars", d: layer.histogram.filter((entry) => !isEnd(entry)).map(bar).join("") });
  add(svg, "path", { class: "clipped", d: layer.histogram.filter(isEnd).map(bar).join("") });
  const counts = new Map(layer.histogram);
  describeUnderPointer(svg, (x) => {
    const weight = step * Math.round((x * (2 * range + 2) - range - 1) / step);
    return `weight ${weight} (${weight / 64}): ${count(counts.get(weight) ?? 0)}`;
  });
}

document.getElementById("log-counts").addEventListener("change", (event) => drawHistograms(event.target.checked));
drawHistograms(false);

