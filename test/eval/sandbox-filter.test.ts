import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { LOOKED_AT, type Machine, REFUSED, seccompFilter } from "../../src/eval/sandbox/seccomp.ts";

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const ARCHITECTURE = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** What the kernel does with a filter: the five operations of classic BPF that it has. */
function decide(filter: Uint8Array, architecture: number, number: number, args: readonly bigint[] = []): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, architecture, true);
  for (const [i, value] of args.entries()) data.setBigUint64(16 + 8 * i, value, true);
  const words = new DataView(filter.buffer);
  let accumulator = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const [code, k] = [words.getUint16(8 * at, true), words.getUint32(8 * at + 4, true)];
    const jump = (holds: boolean) => {
      at += words.getUint8(8 * at + (holds ? 2 : 3));
    };
    if (code === 0x20) accumulator = data.getUint32(k, true);
    else if (code === 0x06) return k;
    else if (code === 0x15) jump(accumulator === k);
    else if (code === 0x25) jump(accumulator > k);
    else if (code === 0x45) jump((accumulator & k) !== 0);
    else assert.fail(`operation ${code} at ${at}`);
  }
  return assert.fail("the filter ends without a decision");
}

for (const [index, machine] of (["x64", "arm64"] as Machine[]).entries())
  describe(`the filter of system calls, ${machine}`, () => {
    const filter = seccompFilter(machine);
    const call = (number: number, ...args: bigint[]) => decide(filter, ARCHITECTURE[machine], number, args);

    test("refuses what it lists, and nothing else that exists", () => {
      const numbers = Object.values(REFUSED).flatMap((pair) => pair[index] ?? []);
      const refused = new Set(numbers);
      for (let number = 0; number <= 462; number++) {
        const expected = refused.has(number) ? EPERM : number === LOOKED_AT.clone3[index] ? ENOSYS : ALLOW;
        assert.equal(call(number, 0n, 0n, 0n, 0n), expected, `call ${number}`);
      }
      assert.equal(refused.size, numbers.length, "twice");
    });

    test("new namespaces, and shared memory without a file", () => {
      const clone = LOOKED_AT.clone[index];
      for (let bit = 0; bit < 32; bit++) {
        // CLONE_NEWNS, and CLONE_NEWCGROUP up to CLONE_NEWNET (linux/sched.h)
        const spaces = bit === 17 || (bit >= 25 && bit <= 30);
        assert.equal(call(clone, (1n << BigInt(bit)) | 17n), spaces ? EPERM : ALLOW, `bit ${bit}`);
      }
      const mmap = (flags: bigint) => call(LOOKED_AT.mmap[index], 0n, 4096n, 3n, flags);
      const [shared, own, validate, anonymous] = [1n, 2n, 3n, 32n];
      assert.deepEqual([own | anonymous, own, shared, validate].map(mmap), [ALLOW, ALLOW, ALLOW, ALLOW]);
      assert.deepEqual([shared | anonymous, validate | anonymous].map(mmap), [EPERM, EPERM]);
    });

    test("calls that came later, those of x32, and another architecture's", () => {
      for (const number of [463, 512, 0x40000000, 0x40000029, 0xffffffff]) assert.equal(call(number), ENOSYS);
      for (const architecture of [0x40000003, 0x40000028, ARCHITECTURE[machine === "x64" ? "arm64" : "x64"], 0])
        assert.equal(decide(filter, architecture, 1), KILL);
    });

    // From the kernel's own list, where a compiler's headers are installed.
    const header = ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h"][index];
    const skip = existsSync(header) ? false : `UNRUN: no ${header}`;
    test("numbers are the kernel's", { skip }, () => {
      const text = readFileSync(header, "utf8");
      const numbers = new Map(
        [...text.matchAll(/#define __NR(?:3264)?_(\w+)\s+(\d+)/g)].map((m) => [m[1], Number(m[2])]),
      );
      for (const [name, pair] of Object.entries({ ...REFUSED, ...LOOKED_AT }))
        assert.equal(numbers.get(name) ?? null, pair[index], name);
    });
  });
