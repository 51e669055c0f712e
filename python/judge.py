"""Tries a program against tests that it cannot see. Runs in the sandbox; see src/eval/code/judge.ts.

The program under test runs in a child. The judge reads what the program must not know (checks, expected values, the
word that says "passed") only after that child was forked, from an input that the child has closed: it is in no memory
and in no file that the program could read. What comes back from the program is plain values, compared here: objects
that claim to equal everything stay on their side. So a program can fail in any way, but it cannot pass by another way
than its answers.
"""

import json
import os
import select
import signal
import sys
import time
import traceback
import types
from decimal import Decimal
from resource import RLIMIT_CPU, getrlimit, setrlimit

LONGEST = 1 << 26  # bytes of one value, or of one output
EVERY = 0.02
USUAL = "bisect collections copy datetime fractions functools heapq itertools math random re statistics typing".split()
FILE = "/program/solution.py"  # only a name, for messages


class Failed(Exception):
    """Why a program does not pass: wrong, error or timeout, and a few words."""

    def __init__(self, verdict, detail=""):
        super().__init__(verdict, detail[:500])


def frame():
    """The next part of the input, read exactly: nothing of the following part is in this process yet."""
    length = int.from_bytes(exactly(0, 8), "little")
    return json.loads(exactly(0, length))


def exactly(descriptor, length, within=None):
    read = bytearray()
    while len(read) < length:
        if within:
            within(descriptor)
        more = os.read(descriptor, min(length - len(read), 1 << 20))
        if not more:
            raise EOFError
        read += more
    return bytes(read)


class Budget:
    """Processor time of the child for one test; three times as much of real time, as this machine may be busy."""

    def __init__(self, child, seconds):
        self.clock = (~child << 3) | 2  # the clock of another process, as clock_getcpuclockid has it
        self.exit = os.pidfd_open(child)
        self.seconds = seconds
        self.begin()

    def begin(self):
        self.cpu = self.used()
        self.last = time.monotonic() + 3 * self.seconds

    def used(self):
        try:
            return time.clock_gettime(self.clock)
        except OSError:
            return 0.0  # it has ended

    def wait(self, *descriptors):
        """Waits until one of them can be read (or the child has ended, for its exit)."""
        while True:
            ready = select.select(descriptors, [], [], EVERY)[0]
            if time.monotonic() > self.last or self.used() - self.cpu > self.seconds:
                raise Failed("timeout", f"more than {self.seconds} seconds")
            if ready:
                return ready


def run(source, name):
    """The program's globals, once it ran as a main program."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    module.__dict__.update(__file__=FILE, __builtins__=__builtins__)
    exec(compile(source, FILE, "exec"), module.__dict__)
    return module.__dict__


def become(stdin, stdout, seconds, tests, keep=()):
    """In the child: closes what is the judge's."""
    os.setpgid(0, 0)
    for number, descriptor in enumerate((stdin, stdout)):
        os.dup2(descriptor, number)
    kept = sorted(keep)
    for low, high in zip([3, *(d + 1 for d in kept)], [*kept, 4096]):
        os.closerange(low, high)
    most = min(int(seconds * tests) + 2, getrlimit(RLIMIT_CPU)[1])
    setrlimit(RLIMIT_CPU, (most, most))


def none():
    return os.open("/dev/null", os.O_RDWR)


def finish(child, budget):
    os.close(budget.exit)
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass
    os.waitpid(child, 0)


# Functions: one child answers all calls.


def serve(source, entry, asked, answers):
    """In the child: answers calls of one function, or of one method of the class Solution, until there are no more."""
    dumps, read, write = json.dumps, os.read, os.write
    try:
        space = run(source, "__main__")
        # What is asked for is found as LiveCodeBench's harness finds it.
        function = getattr(space["Solution"](), entry) if "class Solution" in source else space[entry]
        answer = {"ready": True}
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    while True:
        text = dumps(answer).encode()
        message = len(text).to_bytes(8, "little") + text
        while message:
            message = message[write(answers, message) :]
        length = int.from_bytes(read(asked, 8), "little")
        if not length:
            return
        text = b""
        while len(text) < length:
            text += read(asked, length - len(text))
        values, names = unpack(json.loads(text))
        try:
            answer = {"value": pack(function(*values, **names))}
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}"}


class Function:
    """The program's function, as the checks call it."""

    def __init__(self, source, entry, seconds, tests):
        asked, answers = os.pipe(), os.pipe()
        self.child = os.fork()
        if self.child == 0:
            become(none(), 2, seconds, tests, keep=(asked[0], answers[1]))
            try:
                serve(source, entry, asked[0], answers[1])
            except BaseException:
                os._exit(1)  # the judge has ended, or what it sent was changed
            sys.exit(0)
        os.close(asked[0])
        os.close(answers[1])
        self.asked, self.answers = asked[1], answers[0]
        self.budget = Budget(self.child, seconds)
        self.answer()

    def __call__(self, *values, **names):
        text = json.dumps(pack((values, names))).encode()
        try:
            message = len(text).to_bytes(8, "little") + text
            while message:
                message = message[os.write(self.asked, message) :]
        except BrokenPipeError:
            raise Failed("error", "the program has ended") from None
        return self.answer()

    def answer(self):
        try:
            length = int.from_bytes(exactly(self.answers, 8, self.budget.wait), "little")
            if length > LONGEST:
                raise Failed("error", "the program returned too much")
            answer = json.loads(exactly(self.answers, length, self.budget.wait))
        except EOFError:
            raise Failed("error", "the program has ended") from None
        if "error" in answer:
            raise Failed("error", str(answer["error"]))
        return unpack(answer.get("value"))


def pack(value):
    """A value as JSON: lists, and for what JSON has not, objects of one entry that say what it is."""
    if value is None or isinstance(value, (bool, str, float)):
        return value if value is None or type(value) in (bool, str, float) else pack(bare(value))
    if isinstance(value, int):
        return int(value) if abs(value) < 1 << 53 else {"int": hex(value)}
    if isinstance(value, list):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[pack(key), pack(item)] for key, item in value.items()]}
    for kind in (tuple, set, frozenset):
        if isinstance(value, kind):
            return {kind.__name__: [pack(item) for item in value]}
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    if hasattr(value, "__next__"):
        return {"iter": [pack(item) for item in value]}
    if hasattr(value, "__index__"):
        return pack(int(value.__index__()))  # numpy's
    raise TypeError(f"no test can compare a {type(value).__name__}")


def bare(value):
    return next(kind(value) for kind in (str, float) if isinstance(value, kind))


KINDS = {
    "int": lambda text: int(text, 16),
    "dict": lambda items: {unpack(key): unpack(item) for key, item in items},
    "tuple": lambda items: tuple(map(unpack, items)),
    "set": lambda items: set(map(unpack, items)),
    "frozenset": lambda items: frozenset(map(unpack, items)),
    "bytes": bytes.fromhex,
    "complex": lambda parts: complex(*parts),
    "range": lambda parts: range(*parts),
    "iter": lambda items: iter([*map(unpack, items)]),
}


def unpack(value):
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if isinstance(value, dict):
        [(kind, content)] = value.items()
        return KINDS[kind](content)
    return value


def check(task):
    """HumanEval: the program's function is handed to a function `check` that asserts."""
    function = Function(task["source"], task["entry"], task["seconds"], 1)
    try:
        tests = frame()
        space = {"__name__": "tests"}
        exec(tests["before"], space)  # helpers that the checks use, as the problem gives them
        space[task["entry"]] = function
        try:
            exec(tests["check"], space)
            space["check"](function)
        except Failed:
            raise
        except Exception as error:  # a failed assertion, or a value that the check could not even look at
            raise Failed("wrong", f"{type(error).__name__}: {error}") from None
    finally:
        finish(function.child, function.budget)


def calls(task):
    """LiveCodeBench, functions: values are compared as its harness does, a tuple counting as a list."""
    sys.set_int_max_str_digits(50000) if hasattr(sys, "set_int_max_str_digits") else None
    function = Function(task["source"], task["entry"], task["seconds"], task["tests"])
    try:
        for index in range(task["tests"]):
            test = frame()
            function.budget.begin()
            got = function(*map(json.loads, test["input"].split("\n")))
            if not (list(got) if isinstance(got, tuple) else got) == json.loads(test["output"]):
                raise Failed("wrong", f"test {index}")
    finally:
        finish(function.child, function.budget)


# Whole programs: a child for each test.


def programs(task):
    """LiveCodeBench, standard input: each test is a run of its own."""
    for name in USUAL:
        __import__(name)  # once here, not in each child
    for index in range(task["tests"]):
        given = os.open("/scratch", os.O_TMPFILE | os.O_RDWR)
        text = frame().encode("utf-8", "surrogatepass")
        while text:
            text = text[os.write(given, text) :]
        os.lseek(given, 0, os.SEEK_SET)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            become(given, write, task["seconds"], 1)
            sys.exit(main_program(task["source"]))
        os.close(write)
        os.close(given)
        output = outcome(child, read, task["seconds"])
        if not alike(output, frame()):  # read only now: no run of this test had it
            raise Failed("wrong", f"test {index}")


def main_program(source):
    """In the child: the exit status, but for what its end may change (threads that it waits for, a full disk)."""
    try:
        run(source, "__main__")
    except SystemExit:
        pass  # as in LiveCodeBench's harness, whatever the code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def outcome(child, read, seconds):
    budget, output = Budget(child, seconds), bytearray()
    ended = False
    try:
        while not ended:
            for ready in budget.wait(*([read] if read else []), budget.exit):
                if ready == budget.exit:
                    ended = True
                    continue
                more = os.read(read, 1 << 16)
                output += more
                if not more:
                    os.close(read)
                    read = None
                if len(output) > LONGEST:
                    raise Failed("error", "the program printed too much")
        how = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        if how.si_code != os.CLD_EXITED or how.si_status != 0:
            raise Failed("error", f"the program ended with {how.si_status}")
        if read:
            os.set_blocking(read, False)
            try:
                while len(output) <= LONGEST and (more := os.read(read, 1 << 16)):
                    output += more
            except BlockingIOError:
                pass  # another process holds it open
        return output.decode("utf-8", "replace")
    finally:
        if read:
            os.close(read)
        finish(child, budget)


def alike(got, expected):
    """LiveCodeBench's comparison: stripped line by stripped line, as text or else as lists of exact decimals."""
    rows, wanted = ([row.strip() for row in text.strip().split("\n")] for text in (got, expected))
    return len(rows) == len(wanted) and all(a == b or same_decimals(a, b) for a, b in zip(rows, wanted))


def same_decimals(a, b):
    try:
        return [Decimal(word) for word in a.split()] == [Decimal(word) for word in b.split()]
    except ArithmeticError:
        return False


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    task = frame()
    try:
        {"check": check, "calls": calls, "programs": programs}[task["kind"]](task)
        verdict = {"verdict": "passed", "detail": "", "word": frame()}
    except Failed as failed:
        verdict = dict(zip(("verdict", "detail"), failed.args))
    except Exception as error:
        verdict = {"verdict": "error", "detail": f"the checks: {type(error).__name__}: {error}"[:500]}
    os.write(1, (json.dumps(verdict) + "\n").encode())


main()
