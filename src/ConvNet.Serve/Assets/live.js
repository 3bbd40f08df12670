// The page of one or several runs. Each event has a whole section of a run, so that the last one is always enough.

const runs = [];
const dirty = new Set();
const sections = ["summary", "steps", "epochs", "pictures", "confusion", "norms"];
let ended = false;

const byId = id => document.getElementById(id);
const dashes = [[], [8, 4], [2, 3]];

const curves = {
  stepLoss: new LineChart("Loss per step", "", "step", format.loss),
  stepAccuracy: new LineChart("Training accuracy per step", "Over the epoch up to the step.", "step", format.percent),
  epochLoss: new LineChart("Loss per epoch", "", "epoch", format.loss),
  epochAccuracy: new LineChart("Accuracy per epoch", "", "epoch", format.percent),
  rate: new LineChart("Learning rate", "", "step", format.rate),
  pace: new LineChart("Throughput", "Training images per second, over the epoch up to the step.", "step",
    format.whole),
};
byId("curves").append(...Object.values(curves).map(chart => chart.figure));

const nameOf = run => run.summary?.name ?? "";
const lineName = (run, more) => runs.length > 1 ? (more ? `${nameOf(run)}, ${more}` : nameOf(run)) : more || "loss";
const colour = i => `series${i % seriesColours}`;
const dash = i => dashes[Math.floor(i / seriesColours) % dashes.length];
const classOf = (run, number) => run.classes?.[number] ?? `class ${number}`;

/** Returns the block of a run in a section, with its name if there are several. */
const blockOf = (section, index) => {
  const place = byId(section);
  while (place.children.length <= index) {
    const made = element("div", { class: "run", "data-run": place.children.length });
    place.append(made);
  }
  return place.children[index];
};
const fill = (section, index, ...children) => {
  const heading = runs.length > 1 ? [element("h3", {}, key(index), nameOf(runs[index]))] : [];
  blockOf(section, index).replaceChildren(...heading, ...children);
};
const key = index => {
  const square = element("span", { class: "key" });
  square.style.backgroundColor = `var(--${colour(index)})`;
  return square;
};
const scroll = (label, ...children) =>
  element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, ...children);
const figure = (title, text, ...children) => element("figure", {},
  element("figcaption", {}, element("strong", {}, title), element("span", {}, text)), ...children);
const picture = (png, text) => {
  const image = element("img", { alt: text });
  image.src = `data:image/png;base64,${png}`;
  return image;
};

/** Says where a run stands. A log without an end may be one that is still written. */
const statusOf = ({ status, stopped, folder }) => stopped ? `stopped: ${stopped}`
  : status !== "open" ? status : folder == null ? "running" : "not ended";

const show = {
  summary(index) {
    const run = runs[index], own = run.summary, best = own.bestEpoch, last = own.lastEpoch;
    const stat = (name, value, more) => element("div", {}, element("dt", {}, name),
      element("dd", { "data-stat": name }, value, ...more ? [element("small", {}, more)] : []));
    const bar = element("div");
    const share = own.steps ? Math.min(1, own.step / own.steps) : 0;
    bar.style.width = `${100 * share}%`;
    const tested = `${own.tested} accuracy`;
    fill("stats", index,
      element("p", { class: "note" }, [[own.model, own.data].filter(Boolean).join(" on "),
        own.parameters && `${format.whole(own.parameters)} parameters`,
        statusOf(own)].filter(Boolean).join(", ")),
      ...own.problem ? [element("p", { class: "note warning", role: "alert" }, own.problem)] : [],
      element("div", { class: "progress", role: "progressbar", "aria-label": "steps", "aria-valuemin": "0",
        "aria-valuemax": "100", "aria-valuenow": Math.round(100 * share) }, bar),
      element("dl", { class: "stats" },
        stat("epoch", format.whole(own.epoch), own.epochs == null ? "" : `of ${format.whole(own.epochs)}`),
        stat("step", format.whole(own.step), own.steps == null ? "" : `of ${format.whole(own.steps)}`),
        stat("loss", format.loss(own.loss), "of the last batch"),
        stat("training accuracy", format.percent(own.accuracy), "of this epoch"),
        stat(tested, format.percent(last?.testAccuracy), last ? `after epoch ${last.epoch}` : ""),
        stat("best epoch", best ? `${best.epoch}` : format.none,
          best == null ? "" : best.testAccuracy == null ? `loss ${format.loss(best.loss)}`
            : `${tested} ${format.percent(best.testAccuracy)}`),
        stat("learning rate", format.rate(own.learningRate)),
        stat("images/s", format.whole(own.imagesPerSecond)),
        stat("memory", format.megabytes(own.residentBytes)),
        stat("time", format.time(own.seconds), own.status === "open" && own.secondsLeft != null
          ? `${format.time(own.secondsLeft)} left` : "")));
    const names = [...new Set(runs.map(nameOf))];
    byId("title").textContent = runs.length > 1 ? `${runs.length} trainings`
      : own.model ? `Training of ${own.model}` : nameOf(run);
    document.title = `${runs.length > 1 ? names.join(", ") : nameOf(run)} ${own.steps && own.status === "open"
      ? `${Math.floor(100 * share)}%` : ""} – convnet`;
  },

  steps() {
    const lines = (field, more) => runs.flatMap((run, i) => run.steps == null ? []
      : [{ name: lineName(run, more), colour: colour(i), dash: dash(i), x: run.steps.step, y: run.steps[field] }]);
    const most = Math.max(1, ...runs.map(run => run.steps?.stepsOfPoint ?? 1));
    curves.stepLoss.description.textContent = most === 1 ? "The loss of each batch."
      : `A point is the mean of ${most} batches${runs.length > 1 ? " at most" : ""}.`;
    curves.stepLoss.show(lines("loss", runs.length > 1 ? "" : "loss"));
    curves.stepAccuracy.show(lines("accuracy", runs.length > 1 ? "" : "accuracy"));
    curves.rate.show(lines("learningRate", runs.length > 1 ? "" : "learning rate"));
    curves.pace.show(lines("imagesPerSecond", runs.length > 1 ? "" : "images/s"));
  },

  epochs(index) {
    const lines = (field, more, i, style) => {
      const { epochs } = runs[i];
      return epochs == null ? [] : [{
        name: lineName(runs[i], more), points: true, ...style,
        x: epochs.map(epoch => epoch.epoch), y: epochs.map(epoch => epoch[field]),
      }];
    };
    const both = (training, test) => runs.flatMap((run, i) => [
      ...lines(training, "training", i, { colour: runs.length > 1 ? colour(i) : "series0", dash: [4, 4] }),
      ...lines(test, run.summary?.tested, i, { colour: runs.length > 1 ? colour(i) : "series1" }),
    ]);
    curves.epochLoss.show(both("loss", "testLoss"));
    curves.epochAccuracy.show(both("trainAccuracy", "testAccuracy"));
    const { tested } = runs[index].summary;
    for (const chart of [curves.epochLoss, curves.epochAccuracy])
      chart.description.textContent = `Of the training images during the epoch, and of the ${tested} images after it.`;
    const rows = [...runs[index].epochs].reverse().map(epoch => [`${epoch.epoch}`, format.loss(epoch.loss),
      format.percent(epoch.trainAccuracy), format.percent(epoch.testAccuracy), format.loss(epoch.testLoss),
      epoch.seconds?.toFixed(2) ?? format.none, format.whole(epoch.imagesPerSecond)]);
    const table = tableOf(["epoch", "loss", "training", tested, `${tested} loss`, "seconds", "images/s"], rows);
    const { everyEpoch } = runs[index];
    fill("epochs", index, ...everyEpoch > 1 ? [element("p", { class: "note" },
      `One of ${everyEpoch} epochs is shown, here and in the curves of the epochs.`)] : [],
    rows.length === 0 ? element("p", { class: "empty" }, "No epoch is complete yet.")
      : element("div", { class: "scroll limited", tabindex: "0", role: "region", "aria-label": "epochs" }, table));
  },

  pictures(index) {
    const run = runs[index], { epochs, last } = run.pictures;
    if (last == null) {
      fill("pictures", index, element("p", { class: "empty" },
        "No pictures are recorded. They are made before the first step and after every epoch."));
      return;
    }
    run.slider ??= sliderOf(index);
    const { input } = run.slider, follows = input.max === input.value;
    input.max = `${epochs.length - 1}`;
    if (follows) input.value = input.max;
    input.disabled = epochs.length < 2;
    if (run.pictureBlock == null) {
      run.pictureBlock = element("div", { class: "charts" });
      fill("pictures", index, run.slider.label, run.pictureBlock);
    }
    run.slider.update();
    if (follows) showLast(index);
    else if (run.pictureBlock.childElementCount === 0) showPictures(index, run.shownPictures);
  },

  confusion(index) {
    const { confusion } = runs[index];
    if (confusion == null) {
      fill("confusion", index, element("p", { class: "empty" }, "No test of classes is recorded yet."),
        element("div", { class: "charts" }, ...mistakesOf(index)));
      return;
    }
    fill("confusion", index, element("div", { class: "charts" },
      element("div", { class: "stack" }, ...confusion.matrix == null ? [] : [matrixOf(index)], pairsOf(index)),
      ...mistakesOf(index)));
  },

  norms(index) {
    const run = runs[index], { parameters, step } = run.norms;
    if (parameters.length === 0) {
      fill("norms", index, element("p", { class: "empty" },
        "No norms are recorded yet. train --log-norms N records them."));
      return;
    }
    run.chosen ??= new Set(usual(parameters.map(each => each.name)));
    run.normCharts ??= [
      new LineChart("Norms of the weights", "The Euclidean norm of each parameter.", "step", format.norm),
      new LineChart("Norms of the gradients", "The Euclidean norm of the gradient of the step.", "step", format.norm),
    ];
    const lines = field => parameters.filter(each => run.chosen.has(each.name)).map((each, i) => ({
      name: each.name, colour: colour(i), dash: dash(i), x: step, y: each[field],
    }));
    if (run.normTable == null) {
      run.normTable = element("div", { class: "scroll limited norms", tabindex: "0", role: "region",
        "aria-label": "norms" });
      fill("norms", index, element("div", { class: "charts" }, ...run.normCharts.map(chart => chart.figure)),
        run.normTable);
    }
    run.normCharts[0].show(lines("weight"));
    run.normCharts[1].show(lines("gradient"));
    run.normTable.replaceChildren(normTable(index));
  },
};

/** Selects up to six parameters, weights of several values first, spread over the network. */
const usual = names => {
  const weights = names.filter(name => name.endsWith(".weight")), from = weights.length > 0 ? weights : names;
  const count = Math.min(seriesColours, from.length);
  return Array.from({ length: count },
    (_, i) => from[count === 1 ? 0 : Math.round(i * (from.length - 1) / (count - 1))]);
};

const normTable = index => {
  const run = runs[index], last = values => values[values.length - 1];
  const rows = run.norms.parameters.map(each => {
    const box = element("input", { type: "checkbox" });
    box.checked = run.chosen.has(each.name);
    box.addEventListener("change", () => {
      if (box.checked) run.chosen.add(each.name);
      else run.chosen.delete(each.name);
      show.norms(index);
    });
    return [element("label", {}, box, each.name), format.norm(last(each.weight)), format.norm(last(each.gradient))];
  });
  return tableOf(["parameter", "weights", "gradient"], rows, 1);
};

const sliderOf = index => {
  const input = element("input", { type: "range", min: "0", max: "0", value: "0", "aria-label": "epoch" });
  const output = element("output");
  const label = element("label", { class: "slider" }, "After epoch", input, output);
  const epoch = () => runs[index].pictures.epochs[Number(input.value)];
  const update = () => { output.textContent = `${epoch()}`; };
  input.addEventListener("input", async () => {
    update();
    const wanted = epoch();
    if (wanted === runs[index].pictures.last.epoch) {
      showLast(index);
      return;
    }
    try {
      const answer = await fetch(`/pictures?run=${index}&epoch=${wanted}`);
      if (answer.ok && epoch() === wanted) showPictures(index, await answer.json());
      else if (!answer.ok) byId("notice").textContent = await answer.text();
    } catch {
      byId("notice").textContent = "The program that serves this page has ended; it had the earlier pictures.";
    }
  });
  return { input, output, label, update };
};

/** Shows the last pictures: those within the epoch, if there are some, with the mistakes after the last one. */
const showLast = index => {
  const { last, glimpse } = runs[index].pictures;
  showPictures(index, glimpse == null ? last
    : { ...glimpse, epoch: last.epoch, examined: last.examined, mistakes: last.mistakes });
  if (glimpse != null) runs[index].slider.output.textContent = `${glimpse.epoch}, step ${format.whole(glimpse.step)}`;
};

const showPictures = (index, pictures) => {
  const run = runs[index];
  run.shownPictures = pictures;
  const sheets = [];
  if (pictures.filters != null) sheets.push(figure("Filters of the first convolution", pictures.filters.name,
    element("div", { class: "sheet tiles" }, picture(pictures.filters.png, pictures.filters.name))));
  if (pictures.sample != null) sheets.push(figure("Image whose maps are shown", pictures.sample.name,
    element("div", { class: "tiles sample" }, picture(pictures.sample.png, pictures.sample.name))));
  for (const map of pictures.maps) sheets.push(figure(`Maps of ${map.name.split(",")[0]}`, map.name,
    element("div", { class: "sheet tiles" }, picture(map.png, map.name))));
  run.pictureBlock.dataset.epoch = pictures.epoch;
  run.pictureBlock.replaceChildren(...sheets);
  dirty.add(`confusion ${index}`);
  draw();
};

const mistakesOf = index => {
  const pictures = runs[index].shownPictures;
  if (pictures == null || pictures.examined === 0) return [];
  const tiles = pictures.mistakes.map(mistake => {
    const truth = classOf(runs[index], mistake.truth), guess = classOf(runs[index], mistake.guess);
    return element("div", {}, picture(mistake.png, `sample ${mistake.sample}: ${guess} instead of ${truth}`),
      element("span", {}, element("b", {}, truth), ` as ${guess}, ${format.percent(mistake.probability)}`));
  });
  const name = runs[index].summary?.tested ?? "test";
  return [figure("Worst mistakes", `Of ${format.whole(pictures.examined)} ${name} images, after epoch `
    + `${pictures.epoch}: those whose true class has the lowest probability.`,
    tiles.length === 0 ? element("p", { class: "empty" }, "There is no mistake.")
      : element("div", { class: "tiles small mistakes" }, ...tiles))];
};

const matrixOf = index => {
  const { confusion } = runs[index], run = runs[index];
  const rows = confusion.matrix.map((counts, truth) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return element("tr", {}, element("th", { scope: "row" }, run.classes?.[truth] ? `${truth} ${run.classes[truth]}`
      : `${truth}`), ...counts.map((count, guess) => {
      const cell = element("td", { title: `${classOf(run, truth)} as ${classOf(run, guess)}` },
        count === 0 ? "·" : `${count}`);
      if (count > 0) cell.style.backgroundColor = `color-mix(in srgb, var(--${truth === guess ? "series2"
        : "series1"}) ${Math.round(8 + 27 * count / total)}%, transparent)`;
      return cell;
    }));
  });
  const heads = confusion.matrix.map((_, guess) => element("th", { scope: "col", title: classOf(run, guess) },
    `${guess}`));
  return figure("Confusion matrix", `After epoch ${confusion.epoch}. Rows are true classes, columns are predictions.`,
    scroll("Confusion matrix", element("table", { class: "confusion" },
      element("thead", {}, element("tr", {}, element("td", {}), ...heads)), element("tbody", {}, ...rows))));
};

const pairsOf = index => {
  const { confusion } = runs[index], run = runs[index];
  return figure("Most confused classes", `After epoch ${confusion.epoch}.`,
    confusion.pairs.length === 0 ? element("p", { class: "empty" }, "No class was confused with another one.")
      : scroll("Most confused classes", tableOf(["true class", "predicted", "images"], confusion.pairs.map(
        ([truth, guess, count]) => [classOf(run, truth), classOf(run, guess), format.whole(count)]), 2)));
};

let drawing = false;
const draw = () => {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const all = [...dirty];
    dirty.clear();
    for (const each of all) {
      const [section, index] = each.split(" ");
      if (runs[index]?.summary != null && runs[index][section] !== undefined) show[section](Number(index));
    }
  });
};

/** Shows everything anew: with a second run, the blocks of the first one have its name. */
const showAll = () => runs.forEach((run, i) => {
  run.pictureBlock = run.normTable = null;
  sections.forEach(each => dirty.add(`${each} ${i}`));
});

const receive = (section, event) => {
  const { run, value } = JSON.parse(event.data);
  const isNew = runs[run] === undefined;
  while (runs.length <= run) runs.push({});
  if (section === "summary") Object.assign(runs[run], value);
  else if (section === "epochs") Object.assign(runs[run], { epochs: value.epochs, everyEpoch: value.every });
  else runs[run][section] = value;
  if (isNew && runs.length > 1) showAll();
  dirty.add(`${section} ${run}`);
  byId("notice").textContent = "";
  draw();
};

const stream = new EventSource("/events");
for (const section of sections) stream.addEventListener(section, event => receive(section, event));
stream.addEventListener("end", () => {
  ended = true;
  stream.close();
  byId("notice").textContent = "The program that serves this page has ended. What it has shown stays until the page is "
    + "closed.";
});
stream.addEventListener("error", () => {
  if (!ended) byId("notice").textContent = stream.readyState === EventSource.CLOSED
    ? "The program that serves this page has ended." : "The connection is lost; trying again.";
});

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const chart of [...Object.values(curves), ...runs.flatMap(run => run.normCharts ?? [])]) chart.draw();
});
