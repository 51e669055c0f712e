"""Process 1 of a sandbox: makes its folders, starts the program without any rights, and tells how it ended.

launcher.py runs it in new namespaces, either directly or inside bubblewrap (then this text is its own program).
"""

import ctypes
import errno
import json
import os
import resource
import signal
import sys
import time

PROGRAM, SCRATCH = "/program", "/scratch"
UID = 65534  # inside, in every mode
RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8  # the same bits for mount and mount_setattr
BIND, DETACH, RECURSIVE, PRIVATE = 4096, 2, 16384, 1 << 18
MOUNT_SETATTR = 442  # on every architecture
PDEATHSIG, CAPBSET_DROP, SET_SECCOMP, NO_NEW_PRIVS, CAP_AMBIENT = 1, 24, 22, 38, 47
STACK = 64 << 20

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments, what=None):
    result = getattr(libc, name)(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what or name}: {os.strerror(number)}")
    return result


def prctl(option, *arguments):
    return call("prctl", option, *arguments, *[0] * (4 - len(arguments)))


def mount(source, target, kind, flags, data=None):
    call("mount", source.encode(), target.encode(), kind and kind.encode(), flags, data and data.encode())


def restrict(path, flags, recursive=False):
    attributes = (ctypes.c_uint64 * 4)(flags)
    call("syscall", MOUNT_SETATTR, -100, path.encode(), 0x8000 if recursive else 0, attributes, 32,
         what="mount_setattr (of Linux 5.12)")


def die_with_parent():
    prctl(PDEATHSIG, signal.SIGKILL)


def root(job):
    """Makes a folder in memory the root: with the interpreter's files, read-only, and nothing else of the machine."""
    mount("none", "/", None, RECURSIVE | PRIVATE)
    mount("tmpfs", "/tmp", "tmpfs", NOSUID | NODEV, "size=1m,mode=755")
    os.chdir("/tmp")
    os.mkdir("old")
    call("pivot_root", b".", b"old")
    os.chdir("/")
    for path, real in job["reads"]:
        show(path, real, RDONLY | NOSUID | NODEV)
    for path in job["devices"]:
        show(path, path, RDONLY | NOSUID | NOEXEC)
    for path in job["hidden"]:
        mount("tmpfs", path, "tmpfs", RDONLY | NOSUID | NODEV, "size=4k,mode=755")
    for path, target in job["links"]:
        os.symlink(target, path)
    for path in (PROGRAM, SCRATCH):
        os.mkdir(path)
    if not os.path.exists("/tmp"):
        os.symlink(SCRATCH, "/tmp")
    call("umount2", b"/old", DETACH)
    os.rmdir("/old")
    restrict("/", RDONLY | NOSUID | NODEV)


def show(path, real, flags):
    if os.path.isdir(f"/old{real}"):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o444))
    mount(f"/old{real}", path, None, BIND | RECURSIVE)
    restrict(path, flags, recursive=True)


def folders(job):
    source = job["source"].encode("utf-8", "surrogatepass")
    mount("tmpfs", PROGRAM, "tmpfs", NOSUID | NODEV | NOEXEC, f"size={len(source) + 65536},mode=755")
    with open(f"{PROGRAM}/main.py", "wb") as file:
        file.write(source)
    os.chmod(f"{PROGRAM}/main.py", 0o444)
    restrict(PROGRAM, RDONLY | NOSUID | NODEV | NOEXEC)
    limits = job["limits"]
    mount("tmpfs", SCRATCH, "tmpfs", NOSUID | NODEV | NOEXEC,
          f"size={limits['scratchBytes']},nr_inodes={limits['files'] + 1},mode=700,uid={UID},gid={UID}")


def limit(limits, own):
    cpu = int(limits["cpuSeconds"]) + 2  # the launcher counts closer, and all processes together
    for name, most in {
        "AS": limits["memoryBytes"], "CPU": cpu, "FSIZE": limits["scratchBytes"], "NOFILE": limits["openFiles"],
        "NPROC": limits["processes"] + own, "STACK": STACK, "CORE": 0, "MEMLOCK": 0, "MSGQUEUE": 0,
        "SIGPENDING": 64, "RTPRIO": 0, "NICE": 0,
    }.items():
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


def drop():
    """No way back: no capability in any set, another uid where this process may take one, no new rights by exec."""
    prctl(NO_NEW_PRIVS, 1)
    prctl(CAP_AMBIENT, 4)
    try:
        for capability in range(64):
            prctl(CAPBSET_DROP, capability)
    except OSError as error:
        if error.errno != errno.EINVAL:  # there are no more
            raise
    try:
        os.setgroups([])
    except PermissionError:
        pass  # a user's own groups: no file of theirs can be reached
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    call("capset", (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def forbid(filter):
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    program = Program(len(filter) // 8, filter)
    prctl(SET_SECCOMP, 2, ctypes.byref(program))


def enter(job, status):
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and exec would keep that
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.closerange(3, status)
    os.closerange(status + 1, 1 << 16)
    os.umask(0o077)
    limit(job["limits"], own=job["own"])
    drop()
    os.chdir(SCRATCH)
    forbid(bytes.fromhex(job["filter"]))
    python = job["python"]
    os.execve(python, [python, "-s", "-B", f"{PROGRAM}/main.py"], job["environment"])


def tell(status, message):
    os.write(status, (json.dumps(message) + "\n").encode())


def init(job, status):
    """Runs the program and says how it ended; with this process, all that it has left running ends."""
    os.set_inheritable(status, False)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # of process 1 the kernel keeps what has no handler
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        folders(job)
        tell(status, {"started": True})
        child = os.fork()
    except Exception as error:
        tell(status, {"failed": str(error)})
        return
    if child == 0:
        try:
            enter(job, status)
        except BaseException as error:
            tell(status, {"failed": str(error)})
        os._exit(1)
    for number in (0, 1, 2):
        os.close(number)
    last = time.monotonic() + job["limits"]["wallSeconds"] + 10  # should the launcher have died without a word
    while time.monotonic() < last:
        ended, how, used = os.wait3(os.WNOHANG)
        if ended == child:
            tell(status, {"code": os.waitstatus_to_exitcode(how), "peakBytes": used.ru_maxrss * 1024})
            return
        if ended == 0:
            signal.sigtimedwait({signal.SIGCHLD}, last - time.monotonic())


if __name__ == "__main__":
    with open(int(sys.argv[1])) as file:
        described = json.load(file)
    if os.getpid() == 1:  # else bubblewrap did not do what it was asked for, and these are the machine's own folders
        die_with_parent()
        init(described, int(sys.argv[2]))
    else:
        tell(int(sys.argv[2]), {"failed": "bwrap made no namespaces"})
