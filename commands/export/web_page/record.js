// The seconds of one window from camera and microphone. Nothing is kept but what the model looks at.

import { frameTimes, passed, picture, soundOf } from "./clip.js";

const WARM_UP_MS = 600; // the first pictures of a camera are dark
const UNTOUCHED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const TROUBLE = {
  NotAllowedError: "This browser may not use the WANTED: nobody allowed it. Allow it in the browser's settings of this "
    + "page, or untick it.",
  NotFoundError: "There is no WANTED on this device. Plug one in, or untick what is missing.",
  NotReadableError: "The WANTED is there and gives nothing: perhaps another program uses it. Close that one, and try again.",
};

/**
 * Record one window: what `readFile` gives for a file.
 * @param {{camera: boolean, microphone: boolean}} wanted
 * @param {HTMLVideoElement} preview shows what the camera sees
 * @param {(words: string) => void} tell what happens
 * @throws {Error} in words.
 */
export async function record(wanted, preview, about, tell) {
  const stream = await open(wanted);
  try {
    if (wanted.camera) {
      preview.srcObject = new MediaStream(stream.getVideoTracks());
      preview.hidden = false;
      await preview.play();
    }
    await passed(WARM_UP_MS);
    tell(`Recording ${about.clip_duration} seconds.`);
    const blob = wanted.microphone ? recorded(new MediaStream(stream.getAudioTracks()), about.clip_duration) : null;
    const pictures = wanted.camera ? await pictured(preview, about) : null;
    const samples = blob && await soundOf(await blob, about.sampling_rate);
    if (!pictures && !samples) throw new Error("The microphone gave no sound. Try again, or choose another one.");
    const notes = wanted.microphone && !samples ? ["the microphone gave no sound"] : [];
    return {
      pictures,
      samples: samples?.slice(0, Math.round(about.clip_duration * about.sampling_rate)) ?? null,
      start: 0,
      duration: about.clip_duration,
      notes,
    };
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    preview.srcObject = null;
    preview.hidden = true;
  }
}

async function open({ camera, microphone }) {
  const called = [camera && "camera", microphone && "microphone"].filter(Boolean).join(" and the ");
  if (!called) throw new Error("Tick what is to be recorded.");
  if (!navigator.mediaDevices) {
    throw new Error("Browsers lend camera and microphone to addresses of https and to localhost alone. Give a file.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ video: camera && { facingMode: "user" }, audio: microphone && UNTOUCHED });
  } catch (error) {
    throw new Error((TROUBLE[error.name] ?? `The WANTED cannot be used (${error.name}).`).replace("WANTED", called));
  }
}

async function pictured(preview, about) {
  const begin = performance.now(), pictures = [];
  for (const second of frameTimes(0, about)) {
    await passed(begin + second * 1000 - performance.now());
    pictures.push(picture(preview));
  }
  await passed(begin + about.clip_duration * 1000 - performance.now());
  return pictures;
}

function recorded(stream, seconds) {
  return new Promise((resolve, reject) => {
    const recorder = new MediaRecorder(stream), parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => resolve(new Blob(parts, { type: recorder.mimeType }));
    recorder.onerror = () => reject(new Error("The browser cannot record this microphone."));
    recorder.start();
    setTimeout(() => recorder.stop(), seconds * 1000 + 200); // a little more: an encoder begins late
  });
}
