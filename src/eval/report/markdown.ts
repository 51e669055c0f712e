import { figuresOf } from "./figures/index.ts";
import type { Report, TaskReport } from "./report.ts";
import { markdownOf, markdownText } from "./table.ts";
import { tablesOf } from "./tables.ts";
import { modelLine, problemLine, wallTimes } from "./words.ts";

/** The whole report as Markdown. `fileOf`: where a task's figure lies, of its name. */
export function markdownReport(
  { folders, seconds, models, notes, tasks }: Report,
  fileOf: (task: TaskReport, figure: string) => string,
): string {
  const list = (items: readonly string[]) => items.map((item) => `- ${markdownText(item)}`).join("\n");
  const parts = [
    `# Report`,
    `Of ${folders.map(markdownText).join(", ")}. Intervals are 95%, by problem.`,
    list([...models.map(modelLine), ...wallTimes({ folders, seconds })]),
    list(notes),
    ...tasks.flatMap((task) => [
      `## ${markdownText(task.spec)}`,
      markdownText(`${task.source}. ${problemLine(task)}`),
      list(task.notes),
      ...figuresOf(task).map(
        ({ name, caption }) => `![${markdownText(name)}](${fileOf(task, name)})\n\n*${markdownText(caption)}*`,
      ),
      ...tablesOf(task)
        .filter(({ long }) => !long)
        .flatMap((table) => [`### ${table.title}`, markdownText(table.about), markdownOf(table)]),
    ]),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}
