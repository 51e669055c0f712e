"""Runs one Python program in a sandbox and watches over it.

Reads a job (one line of JSON, and as many bytes of the program's input as it says) from its input, which stays open: its
end is the wish to stop. Writes a result (one line of JSON, and as many bytes of the program's output and of its errors
as it says). See src/eval/sandbox.
"""

import json
import os
import pwd
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import jail
from watch import watch

NAMESPACES = 0x10000000 | 0x20000 | 0x20000000 | 0x40000000 | 0x8000000 | 0x4000000 | 0x2000000
CLONE = {"x86_64": 56, "aarch64": 220}
SET_CHILD_SUBREAPER = 36


def main():
    job, stdin = read()
    try:
        result, texts = run(job, stdin)
    except OSError as error:
        result, texts = {"failed": str(error)}, [b"", b""]
    result["output"], result["errors"] = map(len, texts)
    sys.stdout.buffer.write((json.dumps(result) + "\n").encode() + texts[0] + texts[1])


def run(job, stdin):
    jail.prctl(SET_CHILD_SUBREAPER, 1)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # should the machine run out of memory, this goes first
    out, err, status = os.pipe(), os.pipe(), os.pipe()
    job["own"] = 0
    start = bubblewrap if job["isolation"] == "bubblewrap" else namespaces
    child = start(job, stdin, out[1], err[1], status[1])
    for end in (stdin, out[1], err[1], status[1]):
        os.close(end)
    result, texts = watch(job, child, out[0], err[0], status[0])
    result["own"] = bool(job["own"])
    return result, texts


def read():
    """The job, and the program's input as a file without a name, opened for reading alone."""
    text = bytearray()
    while b"\n" not in text:
        text += os.read(0, 1 << 20) or sys.exit("expected a job")
    line, _, rest = text.partition(b"\n")
    job = json.loads(line)
    missing = job["stdin"] - len(rest)
    with open(os.memfd_create("input"), "wb") as file:
        file.write(rest)
        while missing > 0:
            more = os.read(0, min(missing, 1 << 20)) or sys.exit("expected the program's input")
            file.write(more)
            missing -= len(more)
        file.flush()
        return job, os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)


def described(job):
    """The job as such a file."""
    with open(os.memfd_create("job"), "w") as file:
        json.dump(job, file)
        file.flush()
        return os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)


def place(stdin, out, err):
    for number, descriptor in enumerate((stdin, out, err)):
        os.dup2(descriptor, number)


def namespaces(job, stdin, out, err, status):
    ready, go = os.pipe()
    own = os.geteuid() != 0
    child = jail.call("syscall", CLONE[os.uname().machine], NAMESPACES | signal.SIGCHLD, 0, 0, 0, 0,
                      what="new namespaces")
    if child > 0:
        os.close(ready)
        try:
            job["own"] = int(own and not lent(child))
            if job["own"]:
                write(child, "setgroups", "deny")
            if not own or job["own"]:
                ids = f"{jail.UID} {{}} 1" if own else f"0 0 1\n{jail.UID} {jail.UID} 1"
                write(child, "uid_map", ids.format(os.geteuid()))
                write(child, "gid_map", ids.format(os.getegid()))
            os.write(go, b"01"[job["own"]:][:1])
        except OSError:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            os.close(go)
        return child
    try:
        jail.die_with_parent()
        os.close(go)
        told = os.read(ready, 1)
        if told:
            job["own"] = int(told)
            os.setsid()
            place(stdin, out, err)
            jail.root(job)
            jail.init(job, status)
    except BaseException as error:
        jail.tell(status, {"failed": str(error)})
    os._exit(0)


def write(child, name, text):
    with open(f"/proc/{child}/{name}", "w") as file:
        file.write(text)


def lent(child):
    """Gives the child an id of those that the machine lends this user (subuid); False where there is none."""
    for file, program, own in (
        ("/etc/subuid", "/usr/bin/newuidmap", os.geteuid()),
        ("/etc/subgid", "/usr/bin/newgidmap", os.getegid()),
    ):
        try:
            names = (str(os.geteuid()), pwd.getpwuid(os.geteuid()).pw_name)
            with open(file) as rows:
                first = next(row.split(":")[1] for row in rows if row.split(":")[0] in names)
            arguments = [program, str(child), "0", str(own), "1", str(jail.UID), first, "1"]
            helper = os.posix_spawn(program, arguments, {}, file_actions=[(os.POSIX_SPAWN_CLOSE, 2)])
        except (OSError, KeyError, StopIteration, IndexError):
            return False
        if os.waitpid(helper, 0)[1] != 0:
            return False
    return True


def bubblewrap(job, stdin, out, err, status):
    arguments = [job["bubblewrap"], "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
                 "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL",
                 "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP"]
    if os.geteuid() == 0:
        arguments += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        job["own"] = 1
        arguments += ["--unshare-user", "--uid", str(jail.UID), "--gid", str(jail.UID)]
    targets = [path for path, _ in job["reads"]] + job["devices"]
    # Folders that bubblewrap makes by itself are its user's alone.
    parents = {os.path.dirname(path) for path in [jail.PROGRAM + "/", jail.SCRATCH + "/", *targets]}
    for folder in sorted({"/".join(path.split("/")[:n]) for path in parents for n in range(2, path.count("/") + 2)}):
        arguments += ["--perms", "0755", "--dir", folder]
    for path, real in job["reads"]:
        arguments += ["--ro-bind", real, path]
    for path in job["devices"]:
        arguments += ["--dev-bind", path, path]
    for path in job["hidden"]:
        arguments += ["--perms", "0755", "--tmpfs", path, "--remount-ro", path]
    scratch = [] if any(path.startswith("/tmp/") for path in targets) else [("/tmp", jail.SCRATCH)]
    for path, target in [*job["links"], *scratch]:
        arguments += ["--symlink", target, path]
    with open(f"{HERE}/jail.py") as file:
        text = file.read()
    told = described(job)
    arguments += ["--remount-ro", "/", "--chdir", "/", "--",
                  job["python"], "-I", "-S", "-B", "-c", text, str(told), str(status)]
    child = os.fork()
    if child > 0:
        os.close(told)
        return child
    try:
        jail.die_with_parent()
        place(stdin, out, err)
        for descriptor in (told, status):
            os.set_inheritable(descriptor, True)
        os.execve(arguments[0], arguments, {})
    except BaseException as error:
        jail.tell(status, {"failed": str(error)})
    os._exit(0)


main()
