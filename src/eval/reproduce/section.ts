import type { Figure } from "../report/draw/figure.ts";
import type { RowFigure } from "../report/draw/rows.ts";
import type { Report, TaskReport } from "../report/report.ts";
import type { Table } from "../report/table.ts";
import type { Claim } from "./sentences.ts";

/** A part of the page: one experiment. */
export interface Section {
  name: string; // of its files
  title: string;
  about: string;
  claims: Claim[];
  /** Further sentences. */
  remarks: string[];
  tables: Table[];
  figures: (Figure | RowFigure)[];
  /** All of its numbers, to be written beside the page. */
  report: Report;
}

/** Those that have something to show. */
export const drawn = (figures: readonly (Figure | RowFigure | null)[]): (Figure | RowFigure)[] =>
  figures.filter((figure) => figure !== null);

export const resultOf = ({ settings }: TaskReport, id: string) => settings.find((setting) => setting.id === id);

/** What was left out of a comparison, and other notes of a report. */
export const notesOf = ({ notes, tasks }: Report): string[] => [...notes, ...tasks.flatMap((task) => task.notes)];
