/** All variables that statements or expressions name. */
export function names(body: unknown): Set<string> {
  const found = new Set<string>();
  // Every part of a node is a node, a list of them or a plain value: one walk serves them all.
  const walk = (part: unknown): void => {
    if (Array.isArray(part)) for (const one of part) walk(one);
    else if (typeof part === "object" && part !== null) {
      const node = part as Record<string, unknown>;
      if (node.kind === "name") found.add(String(node.name));
      for (const inner of Object.values(node)) walk(inner);
    }
  };
  walk(body);
  return found;
}
