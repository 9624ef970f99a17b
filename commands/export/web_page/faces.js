// The one square around the face of a clip: modeling/faces_emofusion.py of the package, in JavaScript. A test compares.

import { detect, parseCascade } from "./cascade.js";
import { median, toEven } from "./numbers.js";
import { areas, resized } from "./pictures.js";

const FACE_SCALE = 1.5, FACE_DROP = 0.05; // the square is larger than a face, and a little lower
const SEARCH_SIZE = 240; // shorter side of the copy in which faces are looked for
const SMALLEST_FACE = 0.2; // of the shorter side
const STEP = 1.1, NEIGHBOURS = 5;
const MIN_SHARE = 1 / 3; // of the frames that must show it
const SAME_PLACE = 0.5, SAME_SIZE = 1.5;

/** The cascade that lies beside the page. */
export async function openCascade() {
  const answer = await fetch("haarcascade_frontalface_alt2.xml");
  if (!answer.ok) throw new Error("haarcascade_frontalface_alt2.xml is missing beside this page: export it again.");
  return parseCascade(await answer.text());
}

/** {left, top, side} of the face that is seen largest and longest; null where there is none. */
export function faceBox(cascade, pictures) {
  const face = steadyFace(pictures.map((picture) => facesIn(cascade, picture)));
  if (face === null) return null;
  const { width, height } = pictures[0], [x, y, side] = face;
  const whole = Math.min(Math.max(toEven(FACE_SCALE * side), 1), height, width);
  const top = toEven(y + FACE_DROP * side - whole / 2), left = toEven(x - whole / 2);
  return {
    left: Math.min(Math.max(left, 0), width - whole),
    top: Math.min(Math.max(top, 0), height - whole),
    side: whole,
  };
}

/** Faces of one picture: x and y of the centre, side. */
function facesIn(cascade, picture) {
  const shorter = Math.min(picture.width, picture.height), scale = Math.min(1, SEARCH_SIZE / shorter);
  const [width, height] = [picture.width, picture.height].map((size) => Math.max(1, toEven(size * scale)));
  const smallest = SMALLEST_FACE * shorter * scale;
  const found = detect(cascade, luma(resized(picture, width, height, areas)), STEP, NEIGHBOURS, toEven(smallest));
  return found.filter(([, , side]) => side >= smallest).map(([left, top, side]) => [
    ((left + side / 2) * picture.width) / width, ((top + side / 2) * picture.height) / height, side / scale,
  ]).sort((one, other) => one[2] - other[2] || one[1] - other[1] || one[0] - other[0]);
}

function luma({ width, height, data }) {
  const grey = new Uint8ClampedArray(width * height);
  for (let at = 0; at < grey.length; at++) {
    grey[at] = 0.299 * data[at * 4] + 0.587 * data[at * 4 + 1] + 0.114 * data[at * 4 + 2];
  }
  return { width, height, data: grey };
}

/** Of the faces of each frame the one with the greatest sum of sides over frames: its median. */
function steadyFace(found) {
  const size = (faces) => faces.reduce((total, face) => total + face[2], 0);
  let best = [];
  for (const anchor of found.flat()) {
    const seen = found.map((faces) => sameFace(anchor, faces)).filter((face) => face !== undefined);
    if (seen.length >= MIN_SHARE * found.length && size(seen) > size(best)) best = seen;
  }
  return best.length ? [0, 1, 2].map((k) => median(best.map((face) => face[k]))) : null;
}

/** The face of another frame that is nearest to this one, if it can be the same. */
function sameFace([x, y, side], faces) {
  const distance = (face) => Math.max(Math.abs(face[0] - x), Math.abs(face[1] - y));
  const ratio = (face) => Math.max(face[2], side) / Math.min(face[2], side);
  return faces.filter((face) => distance(face) <= SAME_PLACE * side && ratio(face) <= SAME_SIZE)
    .reduce((best, face) => (best === undefined || distance(face) < distance(best) ? face : best), undefined);
}
