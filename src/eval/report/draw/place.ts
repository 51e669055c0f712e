// Labels beside points, where nothing is covered.

import { widthOf } from "./words.ts";

export interface Box {
  x: number; // left
  y: number; // top
  width: number;
  height: number;
}

const apart = (a: Box, b: Box): boolean =>
  a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;

const inside = (box: Box, area: Box): boolean =>
  box.x >= area.x &&
  box.y >= area.y &&
  box.x + box.width <= area.x + area.width &&
  box.y + box.height <= area.y + area.height;

/** Steps away from a point: a label's middle goes to one of these, in this order. */
const SIDES = [
  [-1, -1],
  [0, -1],
  [1, 1],
  [1, 0],
  [0, 1],
  [-1, 0],
  [1, -1],
  [-1, 1],
] as const;

export interface Label {
  words: string;
  color: string;
  x: number;
  y: number;
}

/**
 * Moves labels from their points to where nothing is covered, in their order; for x the middle of the words, y their
 * baseline. Those without room are left out. `taken`: boxes that none may cover; `faint`: that one may, where it must.
 */
export function placeLabels(
  labels: readonly Label[],
  { taken, faint, area, size }: { taken: readonly Box[]; faint: readonly Box[]; area: Box; size: number },
): Label[] {
  const covered = [...taken];
  return labels.flatMap((label) => {
    const boxes = sides(label, size).filter((box) => inside(box, area) && covered.every((other) => apart(box, other)));
    const box = boxes.find((each) => faint.every((other) => apart(each, other))) ?? boxes[0];
    if (!box) return [];
    covered.push(box);
    return [{ ...label, x: box.x + box.width / 2, y: box.y + box.height * 0.8 }];
  });
}

/** Where a label may stand. At a corner its own corner is near the point, so that it stays close. */
function sides({ words, x, y }: Label, size: number): Box[] {
  const width = widthOf(words, size) + 3; // words that touch would be read as one
  return [4, 8].flatMap((gap) =>
    SIDES.map(([right, down]) => ({
      x: right === 0 ? x - width / 2 : right > 0 ? x + gap : x - gap - width,
      y: down === 0 ? y - size / 2 : down > 0 ? y + gap - 1 : y - gap - size + 1,
      width,
      height: size,
    })),
  );
}

/** Small boxes along a line in pixels. */
export function boxesAlong(points: readonly (readonly [number, number])[]): Box[] {
  return points.slice(1).flatMap(([x1, y1], i) => {
    const [x0, y0] = points[i];
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) / 4));
    return Array.from({ length: steps + 1 }, (_, s) => ({
      x: x0 + ((x1 - x0) * s) / steps - 1.5,
      y: y0 + ((y1 - y0) * s) / steps - 1.5,
      width: 3,
      height: 3,
    }));
  });
}
