// A device that counts what the host does with it: what it makes, and how many numbers of shared memory it touches.
import type { Device, Pass } from "../../src/device/device.ts";

export interface Counts {
  /** Buffers, matrices and lanes. */
  made: number;
  /**
   * Numbers that JavaScript read or wrote in host views: one by one, or by the span of a `set`, `fill`, `subarray` ..
   */
  touched: number;
}

const MAKERS = ["f32", "i32", "u32", "hidden", "matrix", "lanes"];

export function counted(device: Device): { device: Device; counts: Counts } {
  const counts: Counts = { made: 0, touched: 0 };
  const originals = new WeakMap<object, object>();

  const watch = (host: Float32Array | Int32Array | Uint32Array) =>
    new Proxy(host, {
      get(target, key) {
        if (typeof key === "string" && /^\d+$/.test(key)) counts.touched++;
        const value = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          const [source] = args as [ArrayLike<number>];
          const out = value.apply(target, args);
          if (key === "set") counts.touched += source.length;
          else if (key === "subarray" || key === "slice") counts.touched += out.length;
          else if (key === "fill")
            counts.touched += ((args[2] as number) ?? target.length) - ((args[1] as number) ?? 0);
          else counts.touched += target.length;
          return out;
        };
      },
      set(target, key, value) {
        counts.touched++;
        return Reflect.set(target, key, value, target);
      },
    });

  /** The same object with watched host views, at any depth; `plain` takes it back to the device's own. */
  function watched(object: object): object {
    const copy: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(object))
      if (ArrayBuffer.isView(value)) copy[name] = watch(value as Int32Array);
      else copy[name] = typeof value === "object" && value !== null && "host" in value ? watched(value) : value;
    originals.set(copy, object);
    return copy;
  }
  function plain(value: unknown): unknown {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
    const original = originals.get(value);
    if (original) return original;
    if (Object.getPrototypeOf(value) !== Object.prototype) return value;
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
  }

  /** Passes on every call with plain arguments. */
  const through = <T extends object>(target: T, after: (name: string, out: unknown) => unknown): T =>
    new Proxy(target, {
      get(_, name: string) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => after(name, member.apply(target, args.map(plain)));
      },
    });
  const outer = through(device, (name, out) => {
    if (MAKERS.includes(name)) {
      counts.made++;
      return watched(out as object);
    }
    if (name !== "begin") return out;
    const pass = through(out as Pass, (_, result) => result);
    originals.set(pass, out as Pass);
    return pass;
  });
  return { device: outer, counts };
}
