// The model: onnxruntime-web from ort/ beside this page, model.onnx, and what model.json says of it.

import { faceBox, openCascade } from "./faces.js";
import { pixelValues, seenOf } from "./pictures.js";
import { asStored } from "./sound.js";

/** Load everything; throws in words. */
export async function openModel() {
  const about = await (await fetched("model.json")).json();
  const [ort, bytes, cascade] = await Promise.all([
    openRuntime(about), fetched("model.onnx").then((answer) => answer.arrayBuffer()),
    about.face_crop === "haar" ? openCascade() : null,
  ]);
  const session = await ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] }).catch((error) => {
    throw new Error(`The model does not start (${error.message}). Export it again, with --ort; or try a newer browser.`);
  });
  return { about, answer: (clip) => answer(clip, { about, ort, session, cascade }) };
}

async function fetched(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name} is missing beside this page: export it again.`);
  return answer;
}

async function openRuntime({ ort: { version } }) {
  try {
    const ort = await import("./ort/ort.wasm.bundle.min.mjs");
    ort.env.wasm.wasmPaths = { wasm: new URL("ort/ort-wasm-simd-threaded.wasm", import.meta.url).href };
    ort.env.wasm.numThreads = 1; // more need headers that few servers of plain files send
    return ort;
  } catch {
    throw new Error(`onnxruntime-web is missing in ort/ beside this page: npm pack onnxruntime-web@${version}, then `
      + `emofusion export MODEL --to web --ort onnxruntime-web-${version}.tgz`);
  }
}

/** The answer about a clip of `readFile` or `record`, in the pipeline's words, and what the model saw and heard. */
async function answer(clip, { about, ort, session, cascade }) {
  const notes = [...clip.notes];
  const box = cascade && clip.pictures ? faceBox(cascade, clip.pictures) : null;
  if (cascade && clip.pictures && !box) notes.push("no face found in it, so the middle square of its picture is taken");
  const frames = clip.pictures ? seenOf(clip.pictures, box, about) : [];
  const samples = clip.samples && asStored(clip.samples);
  const output = await session.run(inputs(frames, samples, about, ort, session.inputNames));
  const there = { audio: samples !== null, video: frames.length > 0 };
  return {
    told: {
      ...said(output.logits.data, about),
      modalities: about.modalities.filter((name) => there[name]),
      gate: output.gate ? output.gate.data[0] : null,
      window: [clip.start, Math.min(clip.start + about.clip_duration, clip.duration)],
      duration: clip.duration,
      notes,
    },
    frames,
    samples,
  };
}

/** Zeros, and a mask, where a clip lacks something. */
function inputs(frames, samples, about, ort, names) {
  const side = about.image_size, count = Math.round(about.clip_duration * about.sampling_rate);
  const pixels = new Float32Array(about.num_frames * 3 * side * side), heard = new Float32Array(count);
  pixels.set(pixelValues(frames, about));
  heard.set(samples ?? []);
  const mask = (there) => new ort.Tensor("bool", [there], [1]);
  const all = {
    pixel_values: new ort.Tensor("float32", pixels, [1, about.num_frames, 3, side, side]),
    video_mask: mask(frames.length > 0),
    samples: new ort.Tensor("float32", heard, [1, count]),
    audio_mask: mask(samples !== null),
  };
  return Object.fromEntries(names.map((name) => [name, all[name]]));
}

/** Label and probabilities, the most likely first. */
function said(logits, about) {
  const most = Math.max(...logits), powers = Array.from(logits, (value) => Math.exp(value - most));
  const total = powers.reduce((one, other) => one + other);
  const ranked = about.labels.map((label, k) => [label, powers[k] / total]).sort((one, other) => other[1] - one[1]);
  const [[best, score]] = ranked;
  return { label: score >= about.unsure_below ? best : "unsure", score, scores: Object.fromEntries(ranked) };
}
