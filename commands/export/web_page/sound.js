// Channels to one, and the choice of the seconds that are heard: modeling/mono_emofusion.py and window_emofusion.py of
// the package, in JavaScript. A test compares both.

const DEAD = 0.01; // a channel with less than this share of the loudest one's power carries no sound
const CANCELLED = 0.25; // where the mean has less than this share of it, channels cancel each other
const SAME_LEVEL = 0.95;
const CUTOFF = 0.97, ZERO_CROSSINGS = 32, KAISER_BETA = 9; // FFmpeg's, of swresample
const HOP_S = 0.016; // grid on which a window may begin
const EQUALLY_GOOD = 0.99;
const SILENCE = 1e-12;

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Channels (arrays of equal length) as one that is as loud as the loudest of them. */
export function mono(channels) {
  if (channels.length === 1) return channels[0];
  const weights = monoWeights(channels);
  return Float32Array.from(channels[0], (_, at) => sum(channels.map((channel, k) => weights[k] * channel[at])));
}

function monoWeights(channels) {
  const size = channels[0].length;
  const means = channels.map((channel) => sum(channel) / size);
  const covariance = channels.map((one, i) =>
    channels.map((other, j) => one.reduce((total, value, at) => total + value * other[at], 0) / size - means[i] * means[j]));
  const power = covariance.map((row, i) => Math.max(row[i], 0));
  const most = Math.max(...power);
  const live = power.map((value) => value >= DEAD * most);
  const share = 1 / live.filter(Boolean).length;
  const mixed = sum(covariance.flatMap((row, i) => row.map((value, j) => (live[i] && live[j] ? value * share ** 2 : 0))));
  if (mixed < CANCELLED * most) return power.map((_, i) => (i === power.indexOf(most) ? 1 : 0));
  const gain = mixed < SAME_LEVEL * most ? Math.sqrt(most / mixed) : 1;
  return live.map((used) => (used ? share * gain : 0));
}

/** Samples per second of a wav or flac file, by its header; NaN of other files. */
export function rateOf(bytes) {
  const view = new DataView(bytes), word = (at) => String.fromCharCode(...new Uint8Array(bytes, at, 4));
  if (bytes.byteLength < 44) return NaN;
  if (word(0) === "fLaC") return view.getUint32(18) >>> 12;
  for (let at = 12; word(0) === "RIFF" && at + 16 <= bytes.byteLength; at += 8 + view.getUint32(at + 4, true)) {
    if (word(at) === "fmt ") return view.getUint32(at + 12, true);
  }
  return NaN;
}

/** Every n-th sample, without the tones that so few cannot hold: FFmpeg's filter with the settings that it comes with. */
export function thinned(samples, times) {
  if (times === 1) return samples;
  const kernel = lowPass(times), half = kernel.length >> 1, size = samples.length;
  return Float32Array.from({ length: lengthOf(size, times) }, (_, place) => {
    let value = 0;
    for (let k = 0; k < kernel.length; k++) {
      const at = Math.abs(place * times + k - half); // mirrored at both ends, as there
      value += kernel[k] * (samples[at < size ? at : 2 * size - 1 - at] ?? 0);
    }
    return value;
  });
}

/** How many samples FFmpeg makes of so many: one more for a rest of two, and of two samples for a rest of one. */
function lengthOf(size, times) {
  return Math.floor(size / times) + (size % times >= Math.min(2, times - 1) ? 1 : 0);
}

/** A sinc under Kaiser's window. */
function lowPass(times) {
  const factor = CUTOFF / times, taps = Math.ceil(ZERO_CROSSINGS / factor) | 1;
  const kernel = Array.from({ length: taps }, (_, k) => {
    const x = Math.PI * (k - (taps - 1) / 2) * factor, edge = (2 * x) / (factor * taps * Math.PI);
    return (x === 0 ? 1 : Math.sin(x) / x) * bessel(KAISER_BETA * Math.sqrt(Math.max(1 - edge * edge, 0)));
  });
  const total = sum(kernel);
  return kernel.map((value) => value / total);
}

/** I0, the modified Bessel function. */
function bessel(x) {
  let term = 1, total = 1;
  for (let k = 1; term > 1e-12 * total; k++) total += term *= (x / 2 / k) ** 2;
  return total;
}

/**
 * Where in a clip the window begins, in seconds.
 * @param {Float32Array|null} samples the sound from second 0 to where a window may end
 * @param {number} length seconds in which a window may lie
 * @param {{window: string, clip_duration: number, sampling_rate: number}} about the model
 */
export function windowStart(samples, length, about) {
  const spare = length - about.clip_duration;
  if (about.window === "start" || !(spare > 0)) return 0;
  const voice = about.window === "center" || samples === null ? null : voiceStart(samples, spare, about);
  return voice ?? spare / 2;
}

/** The window with the most energy; of those that are equally good the one that is centred on it. */
function voiceStart(samples, spare, { clip_duration: duration, sampling_rate: rate }) {
  const hop = Math.max(1, Math.round(HOP_S * rate)), hopS = hop / rate;
  const energy = energyOfHops(samples, hop);
  if (sum(energy) <= SILENCE * samples.length) return null;
  const until = [0];
  for (const value of energy) until.push(until.at(-1) + value);
  const before = (second) => { // energy before a second
    const at = Math.min(second / hopS, energy.length), whole = Math.floor(at);
    return until[whole] + (at > whole ? (at - whole) * energy[whole] : 0);
  };
  const last = Math.min(spare, samples.length / rate);
  const starts = Array.from({ length: Math.floor(last / hopS) + 1 }, (_, k) => Math.min(k * hopS, last)).concat(last);
  const inside = starts.map((start) => before(start + duration) - before(start));
  const most = inside.reduce((one, other) => Math.max(one, other));
  const best = starts[inside.indexOf(most)];
  const weights = energy.map((value, k) =>
    value * Math.max(Math.min((k + 1) * hopS, best + duration) - Math.max(k * hopS, best), 0));
  const centred = sum(weights.map((weight, k) => weight * (k + 0.5) * hopS)) / sum(weights) - duration / 2;
  const away = (start) => Math.abs(start - (centred + 0.1 * hopS)); // aside, so that no two tie
  const good = starts.filter((_, k) => inside[k] >= EQUALLY_GOOD * most);
  return good.reduce((one, other) => (away(other) < away(one) ? other : one));
}

/** Energy in each hop; a constant offset is none. */
function energyOfHops(samples, hop) {
  const mean = sum(samples) / samples.length;
  const energy = new Array(Math.ceil(samples.length / hop)).fill(0);
  samples.forEach((value, at) => { energy[Math.floor(at / hop)] += (value - mean) ** 2; });
  return energy;
}

/** Sound as training stored it, in 16 bits: what does not fit is turned down as a whole. */
export function asStored(samples) {
  const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = Math.round(peak * 32768) > 32768 ? 32767 / peak : 32768;
  return samples.map((value) => Math.min(Math.round(value * scale), 32767) / 32768);
}
