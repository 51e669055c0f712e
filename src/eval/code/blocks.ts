// Code in a reply: what stands in fences.

/** No two parts can share a character, so that a hostile line costs no more than its length. */
const FENCE = /^([ \t]*)(`{3,}|~{3,}(?!~))([^`]*)$/;
const PYTHON = /^(?:python|py)(?:3|thon)?\b/i;

/**
 * Closed blocks in order, without the indentation of their fences: those of Python where there are some, else those
 * that say no language. A block that nothing closes was cut off, and is none.
 */
export function codeBlocks(reply: string): string[] {
  const python: string[] = [];
  const unnamed: string[] = [];
  let open: { indent: string; mark: string; language: string; lines: string[] } | null = null;
  for (const line of reply.replaceAll("\r\n", "\n").split("\n")) {
    const fence = FENCE.exec(line);
    if (open === null) {
      if (fence) open = { indent: fence[1], mark: fence[2], language: fence[3].trim(), lines: [] };
    } else if (fence?.[2].startsWith(open.mark) && fence[3].trim() === "") {
      const block = `${open.lines.join("\n")}\n`;
      if (PYTHON.test(open.language)) python.push(block);
      else if (open.language === "") unnamed.push(block);
      open = null;
    } else {
      open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line.trimStart());
    }
  }
  return python.length > 0 ? python : unnamed;
}

/** Whether code defines a function of that name at its top level. */
export const definesFunction = (code: string, name: string): boolean =>
  new RegExp(`^(?:async\\s+)?def\\s+${name}\\s*\\(`, "m").test(code);
