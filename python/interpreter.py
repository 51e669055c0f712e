"""Prints which files this machine's Python consists of, as JSON: what a sandbox shows to a program.

Run as `python -I -S`: folders that a site or a user added to the path are not the interpreter's.
"""

import ctypes
import json
import os
import site
import struct
import sys
import warnings

SKIPPED = ("_tkinter", "_test", "_ctypes_test", "_xx", "xx")  # no display, and no tests of Python itself
PUBLIC = ("/lib", "/lib64", "/lib32")  # folders at the root that hold nothing but libraries


def main():
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    if sys.prefix != sys.base_prefix:  # of a virtual environment, the interpreter that it was made from
        os.execv(base, [base, "-I", "-S", "-B", __file__])
    folders = outermost({os.path.realpath(path) for path in sys.path if os.path.exists(path)})
    packages = outermost({os.path.realpath(path) for path in site.getsitepackages() if os.path.isdir(path)})
    links = [[path, os.readlink(path)] for path in PUBLIC if os.path.islink(path)]
    files = {path: os.path.realpath(path) for path in (base, "/etc/ld.so.cache")}
    loader = interpreter(base)
    if loader:
        folder, name = os.path.split(loader)
        files[os.path.join(os.path.realpath(folder), name)] = os.path.realpath(loader)
    beside = set()
    for library in libraries():
        if not any(library.startswith(f"{folder}/") for folder in folders):
            files[library] = library
            beside.add(os.path.dirname(library))
            links += aliases(library, files)
    for path in folders + packages:
        if path.count("/") < 2 and path not in PUBLIC:
            sys.exit(f"its files lie in {path}, which may hold anything")
    print(json.dumps({
        "python": base,
        "version": ".".join(map(str, sys.version_info[:3])),
        "folders": folders,
        "packages": packages,
        "libraries": outermost(beside),
        "files": [[path, real] for path, real in files.items() if os.path.exists(real)],
        "devices": [path for path in ("/dev/null", "/dev/urandom", "/dev/random") if os.path.exists(path)],
        "links": links,
        "children": os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children"),
    }))


def libraries():
    """Shared libraries that the interpreter and its own modules load."""
    warnings.simplefilter("ignore")  # some of them are deprecated
    for folder in sys.path:
        for file in sorted(os.listdir(folder)) if folder.endswith("lib-dynload") else ():
            if not file.startswith(SKIPPED):
                try:
                    __import__(file.split(".")[0])
                except Exception:
                    pass
    try:
        ctypes.CDLL("libgcc_s.so.1")  # of the C library, once a thread ends
    except OSError:
        pass
    with open("/proc/self/maps") as maps:
        paths = {row.rstrip("\n").split(None, 5)[-1] for row in maps}
    return sorted({os.path.realpath(path) for path in paths if path.startswith("/") and ".so" in path})


def aliases(library, files):
    """Links beside a library that lead to it: the loader asks for these."""
    folder, real = os.path.split(library)
    stem = real.split(".so")[0]
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith(f"{stem}.so") and name != real and path not in files and os.path.realpath(path) == library:
            yield [path, real]


def outermost(folders):
    return sorted(a for a in folders if not any(a != b and a.startswith(f"{b}/") for b in folders))


def interpreter(program):
    """The loader that an ELF file of 64 bits asks for, under the name it asks for; None for a static one."""
    with open(program, "rb") as file:
        head = file.read(64)
        at, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        for index in range(count):
            file.seek(at + index * size)
            kind, _, offset, _, _, length = struct.unpack("<IIQQQQ", file.read(40))
            if kind == 3:
                file.seek(offset)
                return file.read(length).rstrip(b"\0").decode()
    return None


main()
