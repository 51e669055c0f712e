// A device that refuses wrong tables of lanes when a pass runs: for tests. Arguments and lists are every device's own
// to check.

import type { Device, Pass } from "../../src/device/device.ts";
import { OPS, type OpName } from "../../src/device/ops.ts";
import { type Call, checkLists, type Values } from "../../src/device/recorder.ts";
import { checkTables } from "./checked/tables.ts";

/** Wraps `device`; every operation reaches it unchanged. */
export function checked(device: Device): Device {
  const recorded = new WeakMap<Pass, { pass: Pass; calls: Call[] }>();
  const watched: Partial<Device> = {
    description: `${device.description}, checked`,
    begin() {
      const pass = device.begin();
      const calls: Call[] = [];
      const record = (op: OpName) => (args: Values) => {
        (pass[op] as (args: Values) => void)(args);
        calls.push({ op, args });
      };
      const outer = Object.fromEntries((Object.keys(OPS) as OpName[]).map((op) => [op, record(op)])) as unknown as Pass;
      recorded.set(outer, { pass, calls });
      return outer;
    },
    async run(outer) {
      const entry = recorded.get(outer);
      if (!entry) return device.run(outer);
      const { pass, calls } = entry;
      for (const call of calls) checkLists(call);
      checkTables(calls);
      await device.run(pass);
    },
  };
  return { ...device, ...watched };
}
