// What a visitor does, and what the page says to it.

import { frameTimes, readFile } from "./clip.js";
import { openModel } from "./model.js";
import { record } from "./record.js";

const CALLED = { audio: "sound", video: "picture" };
const by = (id) => document.getElementById(id);
let asked = 0; // a later question makes an earlier one void
let recording = false;

/** An element with children: elements or words. */
function element(name, properties, ...children) {
  const { style, ...rest } = properties;
  const made = Object.assign(document.createElement(name), rest);
  Object.assign(made.style, style);
  made.append(...children);
  return made;
}

/** Ask about what `take` gets, and show the answer or the trouble. */
async function ask(model, take) {
  const mine = ++asked;
  by("trouble").textContent = "";
  by("answer").replaceChildren(element("p", { className: "quiet" }, "It will stand here."));
  by("seen").replaceChildren();
  try {
    const clip = await take();
    if (mine !== asked) return;
    by("status").textContent = "Looking and listening.";
    await new Promise((resolve) => setTimeout(resolve)); // lets the browser show it
    const { told, frames, samples } = await model.answer(clip);
    if (mine !== asked) return;
    by("answer").replaceChildren(...verdict(told, model.about));
    by("seen").replaceChildren(...seen(frames, samples, told, model.about));
    by("status").textContent = "Answered.";
  } catch (error) {
    if (mine === asked) fail(error);
  }
}

function fail(error) {
  by("status").textContent = "";
  by("trouble").textContent = error.message;
}

function verdict(told, about) {
  const parts = told.modalities.map((name) => CALLED[name]);
  const whom = parts.length > 1 ? parts.join(" and ") : `${parts[0]} alone`;
  const [likeliest] = Object.keys(told.scores);
  const words = told.label === "unsure"
    ? `Too little to name an emotion: the likeliest, ${likeliest}, has a probability of ${told.score.toFixed(2)}`
    : `Probability ${told.score.toFixed(2)}`;
  const [start, end] = told.window.map((second) => second.toFixed(2));
  return [
    element("p", { className: "label" }, told.label),
    element("p", {}, `${words}, by ${whom}. It is about the seconds ${start} to ${end} of ${told.duration.toFixed(2)}.`),
    ...gate(told),
    ...told.notes.map((note) => element("p", { className: "quiet" }, `Odd about the clip: ${note}.`)),
    scores(told.scores),
    download({ model: about.name, ...told }),
  ];
}

/** How much the sound counted, and how much the picture. */
function gate({ gate, modalities }) {
  if (gate === null || modalities.length < 2) return [];
  const sound = Math.round(100 * gate);
  return [
    element("p", { className: "gate" },
      element("span", {}, `Sound counted ${sound} %`), element("span", {}, `picture ${100 - sound} %`)),
    element("div", { className: "bar", ariaHidden: "true" },
      element("div", { className: "bar", style: { width: `${sound}%` } })),
  ];
}

function scores(probabilities) {
  const rows = Object.entries(probabilities).map(([label, value]) => element("tr", {},
    element("th", { scope: "row" }, label),
    element("td", {}, value.toFixed(2)),
    element("td", { ariaHidden: "true" }, element("div", { className: "bar", style: { width: `${100 * value}%` } }))));
  return element("table", {}, element("caption", {}, "Probabilities"), element("tbody", {}, ...rows));
}

function download(answer) {
  const file = new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" });
  return element("p", {}, element("a", { href: URL.createObjectURL(file), download: "answer.json" }, "Download as JSON"));
}

/** What the model took in. */
function seen(frames, samples, told, about) {
  const parts = [element("h2", {}, "What the model saw and heard")], side = about.image_size;
  if (frames.length) {
    const seconds = frameTimes(told.window[0], about);
    const pictures = frames.map((frame, k) => {
      const ariaLabel = `Frame ${k + 1} of ${frames.length}, at ${seconds[k].toFixed(2)} seconds`;
      const canvas = element("canvas", { width: side, height: side, role: "img", ariaLabel });
      canvas.getContext("2d").putImageData(new ImageData(frame.data, side), 0, 0);
      return canvas;
    });
    parts.push(element("figure", {}, element("div", { className: "frames" }, ...pictures),
      element("figcaption", {}, `All of the picture that it gets: ${frames.length} frames of ${side} x ${side} pixels.`)));
  }
  if (samples) {
    parts.push(element("figure", {}, wave(samples, about),
      element("figcaption", {}, "The sound that it gets: time goes to the right, and its loudest moment fills the height.")));
  }
  return parts;
}

function wave(samples, about) {
  const width = 600, height = 80, step = (about.clip_duration * about.sampling_rate) / width;
  const canvas = element("canvas", { className: "wave", width, height, role: "img", ariaLabel: "The wave of the sound" });
  const context = canvas.getContext("2d");
  const peaks = Array.from({ length: width }, (_, x) =>
    samples.subarray(x * step, (x + 1) * step).reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  const loudest = Math.max(...peaks, 1e-6);
  context.fillStyle = "#0072B2";
  peaks.forEach((peak, x) => {
    const long = Math.max((height * peak) / loudest, 1);
    context.fillRect(x, (height - long) / 2, 1, long);
  });
  return canvas;
}

function take(model) {
  const tell = (words) => { by("status").textContent = words; };
  by("file").addEventListener("change", () => {
    const [file] = by("file").files;
    if (!file) return;
    tell("Reading the clip.");
    ask(model, () => readFile(file, model.about));
  });
  by("record").addEventListener("click", async () => {
    if (recording) return;
    recording = true;
    by("file").value = "";
    tell("Asking for leave to record.");
    const wanted = { camera: by("camera").checked, microphone: by("microphone").checked };
    await ask(model, () => record(wanted, by("preview"), model.about, tell));
    recording = false;
  });
}

async function main() {
  const controls = [by("file"), by("record"), by("camera"), by("microphone")];
  controls.forEach((control) => { control.disabled = true; });
  try {
    by("status").textContent = "Loading the model.";
    const model = await openModel(), { about } = model;
    by("limits").replaceChildren(...about.limits.map((words) => element("li", {}, words)));
    const licence = about.license ? `, licence ${about.license}` : "";
    by("about").textContent = `Model: ${about.name}${licence}. It looks at ${about.clip_duration} seconds of a clip.`;
    by("record").textContent = `Record ${about.clip_duration} seconds`;
    for (const [id, modality] of [["camera", "video"], ["microphone", "audio"]]) {
      by(id).closest("label").hidden = !about.modalities.includes(modality);
      by(id).checked = about.modalities.includes(modality);
    }
    take(model);
    controls.forEach((control) => { control.disabled = false; });
    by("status").textContent = "Ready.";
  } catch (error) {
    fail(error);
  }
}

main();
