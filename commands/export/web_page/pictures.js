// Pictures as the model takes them: a square, small, perhaps grey, normalised; as run_onnx.py does it.
// A picture is {width, height, data} with data as of a canvas: red, green, blue and opacity of each pixel, 0..255.

import { toEven } from "./numbers.js";

/** A part of a picture. */
export function cut(picture, left, top, width, height) {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let row = 0; row < height; row++) {
    const first = ((top + row) * picture.width + left) * 4;
    data.set(picture.data.subarray(first, first + width * 4), row * width * 4);
  }
  return { width, height, data };
}

/** Its middle square. */
export function middle(picture, side = Math.min(picture.width, picture.height)) {
  return cut(picture, toEven((picture.width - side) / 2), toEven((picture.height - side) / 2), side, side);
}

/** A filter that is as wide as the step, to the bit as torch resizes bytes: weights of 16 bits, rounded after rows and columns. */
export const triangles = {
  shares(before, after) {
    const scale = before / after, reach = Math.max(scale, 1);
    return in16Bits(shares(before, after, (pixel, place) =>
      Math.max(1 - Math.abs(pixel + 0.5 - (place + 0.5) * scale) / reach, 0)));
  },
  round: (value) => Math.floor(value + 0.5),
};

/** The mean of what lies under the new pixel: OpenCV's INTER_AREA, which rounds at the end alone. */
export const areas = {
  shares(before, after) {
    const scale = before / after;
    return shares(before, after, (pixel, place) =>
      Math.max(Math.min(pixel + 1, (place + 1) * scale) - Math.max(pixel, place * scale), 0));
  },
  round: (value) => value,
};

/** Shares of old pixels in each new one. */
function shares(before, after, weight) {
  const reach = Math.max(before / after, 1);
  return Array.from({ length: after }, (_, place) => {
    const centre = ((place + 0.5) * before) / after;
    const first = Math.max(Math.floor(centre - reach), 0), end = Math.min(Math.ceil(centre + reach), before);
    const weights = Array.from({ length: end - first }, (_, k) => weight(first + k, place));
    const total = weights.reduce((one, other) => one + other);
    return { first, weights: weights.map((value) => value / total) };
  });
}

function in16Bits(all) {
  const largest = Math.max(...all.flatMap(({ weights }) => weights));
  let unit = 2 ** 22;
  while (largest * unit + 0.5 >= 2 ** 15) unit /= 2;
  return all.map(({ first, weights }) => ({ first, weights: weights.map((value) => Math.floor(value * unit + 0.5) / unit) }));
}

/** A picture at another size, by `triangles` or `areas`. */
export function resized(picture, width, height, filter) {
  const columns = filter.shares(picture.width, width), rows = filter.shares(picture.height, height);
  const narrow = new Float32Array(width * picture.height * 4);
  for (let y = 0; y < picture.height; y++) {
    columns.forEach(({ first, weights }, x) => {
      for (let channel = 0; channel < 4; channel++) {
        let value = 0;
        for (let k = 0; k < weights.length; k++) {
          value += weights[k] * picture.data[(y * picture.width + first + k) * 4 + channel];
        }
        narrow[(y * width + x) * 4 + channel] = filter.round(value);
      }
    });
  }
  const data = new Uint8ClampedArray(width * height * 4); // rounds what is stored in it
  rows.forEach(({ first, weights }, y) => {
    for (let at = 0; at < width * 4; at++) {
      let value = 0;
      for (let k = 0; k < weights.length; k++) value += weights[k] * narrow[(first + k) * width * 4 + at];
      data[y * width * 4 + at] = filter.round(value);
    }
  });
  return { width, height, data };
}

/** What the model sees of pictures: of `box` {left, top, side}, or of their middle squares. */
export function seenOf(pictures, box, about) {
  return pictures.map((picture) => {
    const square = box ? cut(picture, box.left, box.top, box.side, box.side) : middle(picture);
    const small = middle(resized(square, about.stored_size, about.stored_size, triangles), about.image_size);
    return about.grey ? grey(small) : small;
  });
}

function grey(picture) {
  const data = picture.data.slice();
  for (let at = 0; at < data.length; at += 4) {
    const luma = Math.floor((299 * data[at] + 587 * data[at + 1] + 114 * data[at + 2] + 500) / 1000); // BT.601
    data.fill(luma, at, at + 3);
  }
  return { ...picture, data };
}

/** Numbers for the model: [frames, 3, side, side]. */
export function pixelValues(pictures, about) {
  const size = about.image_size ** 2, values = new Float32Array(pictures.length * 3 * size);
  pictures.forEach(({ data }, frame) => {
    for (let channel = 0; channel < 3; channel++) {
      const mean = about.image_mean[channel], std = about.image_std[channel];
      for (let at = 0; at < size; at++) {
        values[(frame * 3 + channel) * size + at] = (data[at * 4 + channel] / 255 - mean) / std;
      }
    }
  });
  return values;
}
