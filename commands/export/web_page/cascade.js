// OpenCV's cascade of Haar features (Viola and Jones 2001; Lienhart and Maydt 2002), read from OpenCV's own file and
// searched as OpenCV 4 searches. OpenCV in JavaScript would be ten megabytes for this one search.

import { toEven } from "./numbers.js";

const EPS = 1e-5; // that OpenCV takes from the threshold of a stage
const ALIKE = 0.2; // of their sides by which hits of one face may differ

/** A cascade from the text of its XML file. */
export function parseCascade(xml) {
  const root = new DOMParser().parseFromString(xml, "text/xml").querySelector("cascade");
  const items = (node, name) => [...node.querySelectorAll(`:scope > ${name} > _`)];
  const numbers = (node) => node.textContent.trim().split(/\s+/).map(Number);
  const stages = items(root, "stages").map((stage) => ({
    threshold: Number(stage.querySelector(":scope > stageThreshold").textContent) - EPS,
    trees: items(stage, "weakClassifiers").map((tree) => ({
      nodes: nodesOf(numbers(tree.querySelector("internalNodes"))),
      leaves: numbers(tree.querySelector("leafValues")),
    })),
  }));
  const features = items(root, "features").map((feature) => items(feature, "rects").map(numbers));
  return { side: Number(root.querySelector(":scope > width").textContent), stages, features };
}

/** Branches above 0 lead to another node, others to the leaf of that number below 0. */
function nodesOf(numbers) {
  return Array.from({ length: numbers.length / 4 }, (_, k) => {
    const [left, right, feature, limit] = numbers.slice(4 * k);
    return { left, right, feature, limit };
  });
}

/**
 * Squares of faces in a grey picture {width, height, data}: [left, top, side] each.
 * @param {number} step from one size of faces to the next
 * @param {number} neighbours more hits than so many, at about one place, make a face
 * @param {number} smallest side of a face
 */
export function detect(cascade, picture, step, neighbours, smallest) {
  const hits = [];
  for (let factor = 1; ; factor *= step) {
    const side = toEven(cascade.side * factor);
    if (side > picture.width || side > picture.height) break;
    if (side >= smallest) hits.push(...hitsOfSize(cascade, picture, Math.fround(factor), side));
  }
  return grouped(hits, neighbours);
}

/** Hits of one size: the picture is made smaller, not the features larger. */
function hitsOfSize(cascade, picture, factor, side) {
  const small = bilinear(picture, toEven(picture.width / factor), toEven(picture.height / factor));
  const stride = small.width + 1;
  const search = { ...integrals(small), stride, features: cascade.features.map((rects) => placed(rects, stride)) };
  const hits = [], stepped = factor >= 2 ? 1 : 2;
  for (let y = 0; y <= small.height - cascade.side; y += stepped) {
    for (let x = 0; x <= small.width - cascade.side; x += stepped) {
      const passed = stagesPassed(cascade, search, y * stride + x);
      if (passed === cascade.stages.length) hits.push([toEven(x * factor), toEven(y * factor), side]);
      if (passed === 0) x += stepped; // nothing like a face: nor will be the next place
    }
  }
  return hits;
}

/** The rectangles of a feature by the places of their corners in a table of sums. */
function placed(rects, stride) {
  return rects.map(([x, y, width, height, weight]) => {
    const first = y * stride + x, below = first + height * stride;
    return { weight, a: first, b: first + width, c: below, d: below + width };
  });
}

/** How many stages a place passes; -1 where there is no contrast. */
function stagesPassed(cascade, search, place) {
  const scale = contrast(cascade.side - 2, search, place + search.stride + 1); // a margin of one pixel does not count
  if (scale === null) return -1;
  for (let stage = 0; stage < cascade.stages.length; stage++) {
    const { threshold, trees } = cascade.stages[stage];
    let total = 0;
    for (const { nodes, leaves } of trees) {
      let at = 0;
      do {
        const node = nodes[at];
        at = valueOf(search.features[node.feature], search.sum, place) * scale < node.limit ? node.left : node.right;
      } while (at > 0);
      total += leaves[-at];
    }
    if (total < threshold) return stage;
  }
  return cascade.stages.length;
}

/** What brings features to one contrast; null where there is too little of it. */
function contrast(inner, { sum, squares, stride }, first) {
  const within = (table) =>
    table[first] - table[first + inner] - table[first + inner * stride] + table[first + inner * (stride + 1)];
  const area = inner * inner, spread = area * within(squares) - within(sum) ** 2;
  return spread > 100 * area * area ? 1 / Math.sqrt(spread) : null;
}

function valueOf(feature, sum, place) {
  let value = 0;
  for (const { weight, a, b, c, d } of feature) {
    value += weight * (sum[place + a] - sum[place + b] - sum[place + c] + sum[place + d]);
  }
  return value;
}

/** Sums of all pixels above and to the left, and of their squares; one row and one column longer than the picture. */
function integrals({ width, height, data }) {
  const stride = width + 1, sum = new Float64Array(stride * (height + 1)), squares = new Float64Array(sum.length);
  for (let y = 0; y < height; y++) {
    let ofRow = 0, ofSquares = 0;
    for (let x = 0; x < width; x++) {
      const value = data[y * width + x], at = (y + 1) * stride + x + 1;
      sum[at] = sum[at - stride] + (ofRow += value);
      squares[at] = squares[at - stride] + (ofSquares += value * value);
    }
  }
  return { sum, squares };
}

/** A grey picture at another size, between its four nearest pixels. */
function bilinear(picture, width, height) {
  const along = (before, after) => Array.from({ length: after }, (_, place) => {
    const at = Math.min(Math.max(((place + 0.5) * before) / after - 0.5, 0), before - 1);
    return { first: Math.floor(at), next: Math.min(Math.floor(at) + 1, before - 1), share: at % 1 };
  });
  const columns = along(picture.width, width), data = new Uint8ClampedArray(width * height);
  along(picture.height, height).forEach((row, y) => {
    const above = picture.data.subarray(row.first * picture.width), below = picture.data.subarray(row.next * picture.width);
    columns.forEach(({ first, next, share }, x) => {
      const high = above[first] + share * (above[next] - above[first]);
      data[y * width + x] = high + row.share * (below[first] + share * (below[next] - below[first]) - high);
    });
  });
  return { width, height, data };
}

/** One square for all hits of a face: the mean of those that are alike, as OpenCV's groupRectangles. */
function grouped(hits, neighbours) {
  const groups = [];
  for (const hit of hits) { // who is alike to one of a group belongs to it, and joins groups
    const own = groups.filter((group) => group.some((other) => alike(hit, other)));
    own.forEach((group) => groups.splice(groups.indexOf(group), 1));
    groups.push([...own.flat(), hit]);
  }
  const faces = groups.filter((group) => group.length > neighbours).map((group) => ({
    count: group.length,
    square: [0, 1, 2].map((k) => toEven(group.reduce((total, hit) => total + hit[k], 0) / group.length)),
  }));
  return faces.filter((face) => !faces.some((other) => other !== face && swallows(other, face))).map((face) => face.square);
}

function alike([x, y, side], [otherX, otherY, otherSide]) {
  const near = ALIKE * Math.min(side, otherSide);
  return Math.abs(x - otherX) <= near && Math.abs(y - otherY) <= near
    && Math.abs(x + side - otherX - otherSide) <= near && Math.abs(y + side - otherY - otherSide) <= near;
}

/** Whether a square has another one, of fewer hits, in it. */
function swallows(outer, inner) {
  const [x, y, side] = inner.square, [left, top, whole] = outer.square, margin = toEven(ALIKE * whole);
  return x >= left - margin && y >= top - margin && x + side <= left + whole + margin
    && y + side <= top + whole + margin && (outer.count > Math.max(3, inner.count) || inner.count < 3);
}
