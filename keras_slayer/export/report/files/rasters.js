// Spikes of the first sample, Keras beside chip. A spike that only one of them has is red.

function drawRasters(rasters) {
  const target = document.getElementById("rasters");
  for (const raster of rasters) {
    const number = layerNumbers.get(raster.name);
    const isInput = number === undefined; // the same for both: drawn once
    const figure = add(target, "figure", { class: "raster" });
    const caption = add(figure, "figcaption");
    if (isInput) add(caption, "b", {}, raster.name);
    else {
      figure.dataset.layer = number;
      addLayerName(caption, number, raster.name);
    }
    add(caption, "span", { class: "quiet" }, ` ${plural(raster.neurons, "neuron")}`);
    const panels = add(figure, "div", { class: "panels" });
    const keys = [raster.keras, raster.chip].map(([steps, neurons]) =>
      steps.map((step, event) => step * raster.neurons + neurons[event]));
    const totals = [raster.keras_spikes, raster.chip_spikes];
    if (isInput) drawPanel(panels, raster, "input", keys[0], keys[1], totals[0]);
    else {
      drawPanel(panels, raster, "Keras", keys[0], keys[1], totals[0]);
      drawPanel(panels, raster, "chip", keys[1], keys[0], totals[1]);
    }
  }
}

/** How many spikes are drawn, and of how many where some are left out. */
function spikesDrawn(number, total) {
  return number < total ? `${count(number)} of ${count(total)} spikes drawn` : plural(total, "spike");
}

/** One raster of `total` spikes; an event is the number step * neurons + neuron. */
function drawPanel(target, raster, title, events, others, total) {
  const { steps, neurons } = raster;
  const known = new Set(others);
  const shared = events.filter((event) => known.has(event));
  const alone = events.filter((event) => !known.has(event));
  const panel = add(target, "div");
  const facts = `${spikesDrawn(events.length, total)}${alone.length ? `, ${count(alone.length)} only here` : ""}`;
  const heading = add(panel, "div", { class: "scale" });
  add(heading, "span", {}, `${title}: ${facts}`);
  const height = Math.min(180, Math.max(60, 12 * neurons));
  const svg = addPlot(
    panel, height, `-0.5 -0.5 ${steps} ${neurons}`, `Spikes of ${raster.name}, ${title}: ${facts}`,
    [0, "step", steps - 1],
  );
  // Neuron 0 is on top, as in visualization.plot_raster.
  const dot = (event) => `M${Math.floor(event / neurons)} ${event % neurons}h0.01`;
  const size = Math.min(5, Math.max(1.5, Math.min(480 / steps, height / neurons) - 1));
  add(svg, "path", { class: "spikes", d: shared.map(dot).join(""), "stroke-width": size });
  add(svg, "path", { class: "spikes alone", d: alone.map(dot).join(""), "stroke-width": size + 1 });
  describeUnderPointer(svg, (x, y) => {
    const step = Math.min(steps - 1, Math.floor(x * steps));
    return `step ${step}, neuron ${Math.min(neurons - 1, Math.floor(y * neurons))}`;
  });
}

if (report.calibration) drawRasters(report.calibration.rasters);
