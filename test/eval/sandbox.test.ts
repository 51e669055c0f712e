// Hostile programs, each looked at from outside: at the machine's processes, files and sockets.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Program, Ran } from "../../src/eval/sandbox/launch.ts";
import type { Limits } from "../../src/eval/sandbox/limits.ts";
import { withFolder } from "../support/checkpoint.ts";
import { named, processesNamed, sandboxes, until } from "../support/sandboxes.ts";

const MB = 2 ** 20;
const LIMITS: Partial<Limits> = { wallSeconds: 1.5, memoryBytes: 256 * MB };

test("what does not isolate here was not allowed to, rather than leaky", () => {
  for (const { why } of sandboxes) assert.doesNotMatch(why, /a program in it found/);
});

for (const { isolation, sandbox, why } of sandboxes)
  describe(`programs in a sandbox, by ${isolation}`, { skip: sandbox ? false : `UNRUN: ${why}` }, () => {
    const run = (program: Program | string): Promise<Ran> => {
      const { source, limits, ...rest } = typeof program === "string" ? { source: program } : { ...program };
      return sandbox!.run({ source, limits: { ...LIMITS, ...limits }, ...rest });
    };
    /** Runs a program that takes a name; how many of that name there were at once, and that none is left. */
    const watched = async (
      source: string,
      limits?: Partial<Limits>,
    ): Promise<Ran & { most: number; bytes: number }> => {
      const { name, take } = named();
      let [most, bytes] = [0, 0];
      const timer = setInterval(() => {
        const seen = processesNamed(name);
        most = Math.max(most, seen.length);
        const resident = seen.map(({ status }) => Number.parseInt(status.get("RssAnon") ?? "0", 10) * 1024);
        bytes = Math.max(bytes, ...resident);
      }, 10);
      const ran = await run({ source: take + source, limits });
      clearInterval(timer);
      assert.deepEqual(processesNamed(name), [], "processes are left");
      return { ...ran, most, bytes };
    };

    test("runs a program: its input, output, errors, exit code and what ran it", async () => {
      const source = "import sys\nprint(input().upper(), 'ä')\nprint('no', file=sys.stderr)\nsys.exit(3)";
      const ran = await run({ source, stdin: "hello\n" });
      assert.equal(ran.stdout, "HELLO ä\n");
      assert.equal(ran.stderr, "no\n");
      assert.deepEqual([ran.status, ran.exitCode, ran.signal], ["error", 3, null]);
      assert.deepEqual([ran.isolation, ran.ownUid], [isolation, sandbox!.ownUid]);
      assert.ok(ran.wallSeconds > 0 && ran.wallSeconds < 1.5 && ran.peakBytes > MB && ran.peakBytes < 100 * MB);
      const bytes = await run({
        source: "import sys\nprint(sys.stdin.buffer.read())",
        stdin: new Uint8Array([0, 255]),
      });
      assert.deepEqual([bytes.status, bytes.exitCode, bytes.stdout], ["ok", 0, "b'\\x00\\xff'\n"]);
      const { status, stderr } = await run("x = = 1");
      assert.equal(status, "error");
      assert.match(stderr, /SyntaxError/);
    });

    test("a program has no right of any kind, and namespaces of its own", async () => {
      const { name, take } = named();
      const running = run(`${take}import time\ntime.sleep(1)`);
      const { pid, status } = await until(() => processesNamed(name)[0]);
      const of = (field: string) => status.get(field)?.trim();
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) assert.match(of(set) ?? "", /^0+$/, set);
      assert.equal(of("NoNewPrivs"), "1");
      assert.equal(of("Seccomp"), "2");
      const uids = of("Uid")!.split(/\s+/).map(Number);
      assert.ok(
        uids.every((uid) => uid !== 0 && (uid === process.getuid!()) === sandbox!.ownUid),
        `${uids}`,
      );
      for (const space of ["net", "pid", "mnt", "ipc", "uts"])
        assert.notEqual(readlinkSync(`/proc/${pid}/ns/${space}`), readlinkSync(`/proc/self/ns/${space}`), space);
      // As the machine sees its mounts: place, and options of the mount.
      const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8").trim().split("\n");
      for (const mount of mounts) {
        const [, , , , place, options] = mount.split(" ");
        const set = new Set(options.split(","));
        assert.ok(set.has("nosuid"), mount);
        if (!place.startsWith("/dev/")) assert.ok(set.has("nodev"), mount);
        if (place === "/scratch") assert.ok(set.has("rw") && set.has("noexec"), mount);
        else if (!place.startsWith("/dev/")) assert.ok(set.has("ro"), mount);
      }
      assert.ok(
        mounts.length > 5 && mounts.every((mount) => !/ - (proc|sysfs|cgroup2?) /.test(mount)),
        mounts.join("\n"),
      );
      assert.equal((await running).status, "ok");
    });

    test("fork bomb", async () => {
      const bomb = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass";
      const { status, most } = await watched(bomb, { processes: 12 });
      assert.equal(status, "timeout");
      assert.ok(most > 4 && most <= 12, `${most} at once`);
    });

    test("endless output", async () => {
      for (const end of ["stdout", "stderr"] as const) {
        const ran = await watched(`import sys\nwhile True: print('x' * 999, file=sys.${end})`, { outputBytes: 50_000 });
        assert.equal(ran.status, "output");
        assert.equal(ran[end].length, 50_000);
        assert.ok(ran.wallSeconds < 1.5);
      }
      const ran = await run({ source: "print('x' * 999)", limits: { outputBytes: 1000 } });
      assert.deepEqual([ran.status, ran.stdout.length], ["ok", 1000]);
    });

    test("reading files of the machine, and what its processes were given", async () =>
      withFolder({ "secret.txt": "the-secret-of-this-machine" }, async (folder) => {
        const [{ name, take }, parent] = [named(), process.pid];
        const paths = ["/etc/passwd", "/etc/shadow", "/etc/hostname", "/proc/1/environ", "/proc/self/environ"];
        paths.push(
          `/proc/${parent}/environ`,
          `/proc/${parent}/cmdline`,
          "/sys/kernel/vmcoreinfo",
          "/dev/mem",
          "/dev/kmsg",
        );
        paths.push(
          join(folder, "secret.txt"),
          fileURLToPath(import.meta.url),
          "/root/.bash_history",
          "/dev/shm",
          "/run",
        );
        const ran = await run(`${take}
import os
for path in ${JSON.stringify(paths)} + [f"/proc/{os.getppid()}/environ"]:
    for open_ in (open, os.listdir):
        try:
            with open_(path) as file: print("READ", path, file.read())
        except Exception as error:
            assert isinstance(error, FileNotFoundError), error
for folder, folders, files in os.walk("/"):
    if not folder.startswith(os.path.dirname(os.__file__)): print(folder, *files)
import json
print(json.dumps(dict(os.environ)))`);
        assert.equal(ran.status, "ok", ran.stderr);
        assert.doesNotMatch(ran.stdout, /^READ|secret|passwd|hosts/m);
        assert.deepEqual(JSON.parse(ran.stdout.trim().split("\n").at(-1)!), {
          PATH: "/usr/bin",
          HOME: "/scratch",
          TMPDIR: "/scratch",
          LANG: "C.UTF-8",
          PYTHONHASHSEED: "0",
          OMP_NUM_THREADS: "1",
          OPENBLAS_NUM_THREADS: "1",
        });
        assert.deepEqual(processesNamed(name), []);
      }));

    test("writing outside of the scratch folder, and through links out of it", async () =>
      withFolder({ "secret.txt": "as it was" }, async (folder) => {
        const library = await run("import os; print(os.__file__, end='')");
        const before = statSync(library.stdout).mtimeMs;
        const ran = await run(`
import os
secret, here = ${JSON.stringify(join(folder, "secret.txt"))}, ${JSON.stringify(join(folder, "here"))}
places = [secret, here, "/here", "/program/here", "/program/main.py", "/etc/here", "/dev/here", os.__file__]
os.symlink(secret, "link"); os.symlink("/", "root"); os.symlink("../" * 20 + secret, "up"); os.symlink("/proc/1/root", "init")
places += ["link", "root/here", "up", "root" + secret, "init" + secret, os.path.join("root", os.__file__[1:])]
for place in places:
    try:
        with open(place, "a") as file: file.write("hostile")
        print("WROTE", place)
    except OSError: pass
for act in (lambda: os.link(os.__file__, "hard"), lambda: os.mkdir("/d"), lambda: os.unlink(os.__file__),
            lambda: os.rename(os.__file__, "moved"), lambda: os.chmod(os.__file__, 0o777), lambda: os.chroot("/"),
            lambda: os.mknod("disk", 0o60666, os.makedev(254, 0)), lambda: os.truncate(os.__file__, 0)):
    try:
        act()
        print("DID", act)
    except OSError: pass
with open("mine", "w") as file: file.write("allowed")
print(sorted(os.listdir("/scratch")), open("/tmp/mine").read())`);
        assert.equal(ran.stdout, "['init', 'link', 'mine', 'root', 'up'] allowed\n", ran.stderr);
        assert.deepEqual(readdirSync(folder), ["secret.txt"]);
        assert.equal(readFileSync(join(folder, "secret.txt"), "utf8"), "as it was");
        assert.equal(statSync(library.stdout).mtimeMs, before);
        for (const path of ["/here", "/program", "/scratch", "/etc/here", "/dev/here"])
          assert.ok(!existsSync(path), path);
        assert.equal((await run("import os; print(os.listdir('.'))")).stdout, "[]\n", "the next program's is fresh");
      }));

    test("opening sockets", async () =>
      withFolder({}, async (folder) => {
        const path = join(folder, "socket");
        let calls = 0;
        const listen = (where: { port: number; host: string } | { path: string }): Promise<Server> =>
          new Promise((resolve) => {
            const server = createServer(() => calls++).listen(where, () => resolve(server));
          });
        const servers = [await listen({ port: 0, host: "127.0.0.1" }), await listen({ path })];
        const { port } = servers[0].address() as { port: number };
        const ran = await run(`
import ctypes, os, socket, urllib.request
calls = {
    "tcp": lambda: socket.create_connection(("127.0.0.1", ${port}), 1),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", ${port})),
    "unix": lambda: socket.socket(socket.AF_UNIX).connect(${JSON.stringify(path)}),
    "abstract": lambda: socket.socket(socket.AF_UNIX).bind("\\0hostile"),
    "pair": socket.socketpair,
    "raw": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "vsock": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM),
    "dns": lambda: socket.getaddrinfo("localhost.example", 80),
    "http": lambda: urllib.request.urlopen("http://127.0.0.1:${port}/", timeout=1),
}
for name, call in calls.items():
    try:
        call()
        print("OPENED", name)
    except OSError as error: print(name, end=" ")`);
        assert.equal(ran.stdout, "tcp udp unix abstract pair raw netlink vsock dns http ", ran.stderr);
        assert.equal(calls, 0);
        for (const server of servers) server.close();
      }));

    test("ignoring every signal", async () => {
      const ran = await watched(`
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
    if number not in (9, 19): signal.pthread_sigmask(signal.SIG_BLOCK, [number])
print("deaf", flush=True)
while True: time.sleep(1)`);
      assert.deepEqual([ran.status, ran.stdout, ran.most], ["timeout", "deaf\n", 1]);
      assert.ok(ran.wallSeconds >= 1.5 && ran.wallSeconds < 3, `${ran.wallSeconds}`);
    });

    test("a process that outlives the program", async () => {
      const { stdout, status, most } = await watched(`
import os, time
def daemon():
    os.setsid()
    if os.fork(): os._exit(0)
    while True:
        print("still here", flush=True)
        time.sleep(0.05)
if os.fork() == 0: daemon()
if os.fork() == 0: os._exit(0)  # and one that nobody waits for
time.sleep(0.3)
print("done")`);
      assert.equal(status, "ok");
      assert.match(stdout, /^(still here\n)+done\n(still here\n)*$/);
      assert.ok(most >= 2);
    });

    test("killing its parent, all others, and process 1", async () => {
      const other = named();
      const beside = run(`${other.take}import time\ntime.sleep(1)`);
      await until(() => processesNamed(other.name)[0]);
      const ran = await watched(`
import os, signal, time
for process in (os.getppid(), 1, ${process.pid}, *range(3, 50)):
    for number in (2, 9, 14, 15, 17, 19, 20):
        try: os.kill(process, number)
        except OSError: pass
time.sleep(0.2)
print("alive", flush=True)
try: os.kill(-1, 9)
except OSError: pass
print("alone")`);
      assert.deepEqual([ran.status, ran.stdout], ["ok", "alive\nalone\n"]);
      assert.equal((await beside).status, "ok");
    });

    test("taking memory: alone, and in many processes", async () => {
      const alone = await watched("x = []\nwhile True: x.append(bytearray(1 << 20))");
      assert.equal(alone.status, "memory");
      assert.ok(alone.bytes <= 256 * MB && alone.peakBytes <= 256 * MB, `${alone.bytes}`);
      const many = await watched(
        `
import os, time
for _ in range(2): os.fork()
x = b"1" * (150 << 20)
time.sleep(50)`,
        { wallSeconds: 10 },
      );
      assert.equal(many.status, "memory");
      assert.ok(many.most > 1);
      // What two processes share counts once.
      const shared = await run("import os, time\nx = b'1' * (150 << 20)\nos.fork()\ntime.sleep(0.3)");
      assert.equal(shared.status, "ok");
    });

    test("memory that belongs to no process", async () => {
      const { stdout } = await run(`
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
tries = {
    "memfd": lambda: os.memfd_create("x"),
    "shared": lambda: mmap.mmap(-1, 1 << 20),
    "private": lambda: mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS),
    "system v": lambda: libc.shmget(0, 1 << 20, 0o1600) < 0 and os.fsencode(None),
    "tmpfs": lambda: open("/dev/shm/x", "w"),
}
for name, call in tries.items():
    try:
        call()
        print(name)
    except (OSError, TypeError): pass`);
      assert.equal(stdout, "private\n");
    });

    test("a huge file, many files, many open ones", async () => {
      const limits = { scratchBytes: 4 * MB, files: 100, openFiles: 32 };
      const big =
        "size = 0\nwith open('big', 'wb', 0) as file:\n  try:\n    while True: size += file.write(b'x' * 4096)\n";
      const error = "  except OSError as error: print(size, error.errno)";
      assert.equal((await run({ source: big + error, limits })).stdout, `${4 * MB} 27\n`);
      const counted = (act: string) =>
        `n = 0\nkept = []\ntry:\n  while True:\n    ${act}\n    n += 1\nexcept OSError: print(n)`;
      const told = async (act: string) => Number((await run({ source: counted(act), limits })).stdout);
      assert.ok((await told("open(f'f{n}', 'wb').write(b'x' * 500_000)")) <= 8);
      assert.equal(await told("open(f'f{n}', 'wb').close()"), 100);
      assert.equal(await told("kept.append(open('/dev/null'))"), 32 - 3);
    });

    test("time: of the clock, of the processor, of processes together", async () => {
      const limits = { wallSeconds: 20, cpuSeconds: 0.5 };
      const busy = await run({ source: "while True: pass", limits });
      assert.equal(busy.status, "timeout");
      assert.ok(busy.cpuSeconds >= 0.5 && busy.cpuSeconds < 1.5, `${busy.cpuSeconds}`);
      const two = await run({ source: "import os\nos.fork()\nwhile True: pass", limits });
      assert.deepEqual([two.status, two.exitCode], ["timeout", null]);
      assert.ok(two.cpuSeconds < 1.5);
    });

    test("what kernels had bugs in, and another architecture's calls", async () => {
      const { stdout } = await run(`
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def number(call):
    ctypes.set_errno(0)
    return call() < 0 and errno.errorcode[ctypes.get_errno()]
print(number(lambda: libc.unshare(0x10000000)), number(lambda: libc.unshare(0)),
      number(lambda: libc.mount(b"x", b"/scratch", b"tmpfs", 0, None)), number(lambda: libc.ptrace(0, 0, 0, 0)),
      number(lambda: libc.syscall(435, 0, 0)), number(lambda: libc.syscall(425, 1, 0)),
      number(lambda: libc.syscall(9999)), number(lambda: libc.syscall(0x40000000 + 39)))`);
      assert.equal(stdout, "EPERM EPERM EPERM EPERM ENOSYS EPERM ENOSYS ENOSYS\n");
    });

    test("a signal that ends it", async () => {
      const { status, signal, exitCode } = await run("import os\nos.kill(os.getpid(), 11)");
      assert.deepEqual([status, signal, exitCode], ["killed", 11, null]);
    });

    test("many at once keep their own", async () => {
      const runs = Array.from({ length: 6 }, (_, i) =>
        run(`import os, time\nopen('f', 'w').write('${i}')\ntime.sleep(0.2)\nprint(open('f').read(), os.listdir('.'))`),
      );
      assert.deepEqual(
        (await Promise.all(runs)).map(({ stdout }) => stdout),
        runs.map((_, i) => `${i} ['f']\n`),
      );
    });

    test("stopped by its caller", async () => {
      const { name, take } = named();
      const stop = new AbortController();
      const running = run({
        source: `${take}import time\ntime.sleep(60)`,
        signal: stop.signal,
        limits: { wallSeconds: 60 },
      });
      await until(() => processesNamed(name)[0]);
      stop.abort();
      await assert.rejects(running, { code: "aborted" });
      assert.deepEqual(processesNamed(name), []);
      await assert.rejects(run({ source: "", signal: stop.signal }), { code: "aborted" });
    });

    test("the process that asked for it is killed", async () => {
      const { name, take } = named();
      const source = new URL("../../src/eval/sandbox/sandbox.ts", import.meta.url).href;
      const script = `const { openSandbox } = await import(${JSON.stringify(source)});
        const sandbox = await openSandbox({ isolation: "${isolation}" });
        await sandbox.run({ source: ${JSON.stringify(`${take}import time\ntime.sleep(60)`)}, limits: { wallSeconds: 60 } });`;
      const asker = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "ignore" });
      await until(() => processesNamed(name)[0]);
      asker.kill("SIGKILL");
      await until(() => processesNamed(name).length === 0);
    });

    test("its launcher is killed", async () => {
      const { name, take } = named();
      const running = run({ source: `${take}import time\ntime.sleep(60)`, limits: { wallSeconds: 60 } });
      let { pid } = await until(() => processesNamed(name)[0]);
      const parentOf = (of: number) => Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${of}/status`, "utf8"))![1]);
      while (parentOf(pid) !== process.pid) pid = parentOf(pid);
      process.kill(pid, "SIGKILL");
      await assert.rejects(running, { code: "unsupported" });
      await until(() => processesNamed(name).length === 0);
    });

    test("limits out of range are refused", async () => {
      for (const limits of [{ memoryBytes: 1 }, { processes: 0 }, { wallSeconds: Number.NaN }, { openFiles: 20.5 }])
        await assert.rejects(async () => run({ source: "", limits }), { code: "bad-argument" });
    });
  });
