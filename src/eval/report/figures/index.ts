import { type Figure, svgFigure } from "../draw/figure.ts";
import type { Hover } from "../draw/panel.ts";
import { type RowFigure, svgRows } from "../draw/rows.ts";
import { BUDGETS } from "../points.ts";
import type { TaskReport } from "../report.ts";
import { accuracyFigure } from "./accuracy.ts";
import { frontierFigure } from "./frontier.ts";
import { lengthsFigure } from "./lengths.ts";
import { ratioFigure } from "./ratio.ts";
import { waysFigure } from "./ways.ts";

/** All figures that a task has something for. */
export const figuresOf = (task: TaskReport): (Figure | RowFigure)[] =>
  (task.kind === "value"
    ? [ratioFigure(task, "chain"), accuracyFigure(task)]
    : [
        ...BUDGETS.map((budget) => frontierFigure(task, budget)),
        waysFigure(task),
        ratioFigure(task, "chain"),
        ratioFigure(task, "vote"),
        accuracyFigure(task),
        lengthsFigure(task),
      ]
  ).filter((figure) => figure !== null);

export const drawFigure = (figure: Figure | RowFigure, hover: Hover): string =>
  "panels" in figure ? svgFigure(figure, hover) : svgRows(figure, hover);
