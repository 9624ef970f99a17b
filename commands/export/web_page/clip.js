// From a file to the seconds that the model looks at, by what the browser itself plays.

import { mono, rateOf, thinned, windowStart } from "./sound.js";

const EARLY_S = 0.000437; // a picture counts as shown this early: time stamps are rounded
const SHORT_S = 0.25; // picture and sound may end this far apart, and count as of one length
const USUAL_RATE = 48_000;
const PATIENCE_MS = 20_000; // of waiting for a picture
const UNCHANGED_MS = 1000; // after which a picture is taken for the one that was there
const MOST_MB = 300; // a phone holds the file and its sound in memory

/**
 * One window of a file: pictures (as of a canvas) or null, samples or null, start, duration, and notes on what is odd.
 * @throws {Error} in words, where there is nothing in it that the model reads.
 */
export async function readFile(file, about) {
  if (!file.size) throw new Error("The file is empty. Give another one.");
  const megabytes = Math.round(file.size / 1e6);
  if (megabytes > MOST_MB) throw new Error(`The file has ${megabytes} MB, and ${MOST_MB} are allowed. Cut a shorter piece.`);
  const sound = await soundOf(file, about.sampling_rate);
  const film = await openFilm(file);
  try {
    const reads = (name) => about.modalities.includes(name);
    if (!(sound && reads("audio")) && !(film && reads("video"))) throw new Error(nothing(sound, film));
    const clip = await windowOf(sound, film, about);
    const notes = file.type.startsWith("video/") ? lacking({ sound, picture: film }) : [];
    if (sound?.every((value) => value === 0)) {
      notes.push("sound: digital silence from beginning to end");
      if (clip.pictures) clip.samples = null; // an empty track: nobody was recorded in it
    }
    return { ...clip, notes };
  } finally {
    if (film) URL.revokeObjectURL(film.src);
  }
}

function nothing(sound, film) {
  const found = sound || film ? `only ${sound ? "sound" : "picture"}, which this model does not read` : "neither";
  return `Expected picture or sound that this browser can play, found ${found}. Give a file that plays here, such as mp4, `
    + "webm, wav or mp3.";
}

/** Browsers do not tell what a film lacks from what they cannot play. */
function lacking(parts) {
  const absent = Object.keys(parts).filter((name) => parts[name] === null);
  return absent.map((name) => `no ${name} that this browser can play was found in it`);
}

async function windowOf(sound, film, about) {
  const seconds = sound ? sound.length / about.sampling_rate : 0;
  const duration = Math.max(seconds, film ? film.duration : 0);
  let end = film && sound ? Math.max(Math.min(film.duration, seconds), about.clip_duration) : duration;
  if (duration - end <= SHORT_S) end = duration; // a window stays where there are both
  const audible = sound && sound.subarray(0, Math.round(end * about.sampling_rate));
  const start = windowStart(audible, end, about);
  const first = Math.round(start * about.sampling_rate);
  const samples = sound?.slice(first, first + Math.round(about.clip_duration * about.sampling_rate));
  return {
    pictures: film && about.modalities.includes("video") ? await picturesAt(film, frameTimes(start, about)) : null,
    samples: samples?.length && about.modalities.includes("audio") ? samples : null,
    start,
    duration,
  };
}

/** Seconds at which the model looks. */
export function frameTimes(start, about) {
  return Array.from({ length: about.num_frames }, (_, k) => start + (k * about.clip_duration) / about.num_frames);
}

/**
 * The whole sound of a file or a recording, one channel at the rate of the model; null where the browser finds none.
 * Browsers resample otherwise than training did. So they are asked for a multiple of the rate, the file's own where it
 * is known, and the last step, which decides what high tones are left, is that of the training.
 */
export async function soundOf(file, rate) {
  const bytes = await file.arrayBuffer(), own = rateOf(bytes);
  const times = own % rate === 0 ? own / rate : Math.max(1, Math.round(USUAL_RATE / rate));
  try {
    const decoded = await new OfflineAudioContext(1, 1, times * rate).decodeAudioData(bytes);
    return thinned(mono(Array.from({ length: decoded.numberOfChannels }, (_, k) => decoded.getChannelData(k))), times);
  } catch (error) {
    if (error instanceof DOMException) return null; // browsers do not tell damage from absence
    throw error;
  }
}

/** A film, ready to be searched; null where the browser sees no picture. */
async function openFilm(file) {
  const film = Object.assign(document.createElement("video"), { muted: true, playsInline: true, preload: "auto" });
  const ready = happens(film, "loadeddata"), shown = presented(film);
  film.src = URL.createObjectURL(file);
  try {
    await ready;
    if (film.videoWidth) await Promise.race([shown, passed(UNCHANGED_MS)]);
    if (film.videoWidth && !Number.isFinite(film.duration)) { // what a browser recorded does not say how long it is
      await seek(film, 1e9);
      await seek(film, 0);
    }
  } catch {
    URL.revokeObjectURL(film.src);
    return null;
  }
  return film.videoWidth ? film : null;
}

/** Pictures that a film shows at some seconds; before its first and after its last one those. */
async function picturesAt(film, seconds) {
  const pictures = [];
  for (const second of seconds) {
    await seek(film, Math.min(second + EARLY_S, film.duration - EARLY_S));
    pictures.push(picture(film));
  }
  return pictures;
}

async function seek(film, second) {
  const done = happens(film, "seeked"), shown = presented(film);
  film.currentTime = second;
  await done;
  await Promise.race([shown, passed(UNCHANGED_MS)]);
}

/** When the next picture is there to be drawn: "seeked" alone may come while the one before still is. */
function presented(film) {
  return new Promise((resolve) => film.requestVideoFrameCallback?.(resolve));
}

/** What a film or a camera shows now. */
export function picture(film) {
  const canvas = Object.assign(document.createElement("canvas"), { width: film.videoWidth, height: film.videoHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(film, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

function happens(film, what) {
  return new Promise((resolve, reject) => {
    const refuse = (words) => () => reject(new Error(words));
    const late = setTimeout(refuse("The browser showed no picture of this film in time. Try again, or another file."), PATIENCE_MS);
    const settle = (settled) => () => { clearTimeout(late); settled(); };
    film.addEventListener(what, settle(resolve), { once: true });
    film.addEventListener("error", settle(refuse("The film is damaged: the browser cannot show it.")), { once: true });
  });
}

/** Some milliseconds later. */
export const passed = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
