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
 * baseline. Those without room are left out. `taken`: boxes that none may cover.
 */
export function placeLabels(labels: readonly Label[], taken: readonly Box[], area: Box, size: number): Label[] {
  const boxes = [...taken];
  return labels.flatMap(({ words, color, x, y }) => {
    const width = widthOf(words, size);
    const height = size;
    for (const gap of [4, 8])
      for (const [right, down] of SIDES) {
        // Beside a corner the label's own corner is near the point, so that it stays close to it.
        const left = right === 0 ? x - width / 2 : right > 0 ? x + gap : x - gap - width;
        const top = down === 0 ? y - height / 2 : down > 0 ? y + gap - 1 : y - gap - height + 1;
        const box = { x: left, y: top, width, height };
        if (!inside(box, area) || boxes.some((other) => !apart(box, other))) continue;
        boxes.push(box);
        return [{ words, color, x: left + width / 2, y: top + height * 0.8 }];
      }
    return [];
  });
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
