import { type Kept, replay, type Trace } from "./trace.ts";

export const full = (x: Trace): Kept => replay(x, (live) => live);
