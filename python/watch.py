"""Watches over a running sandbox, from outside: its output, its time, its memory, and its end."""

import json
import os
import select
import signal
import time

EVERY = 0.02  # seconds between two looks at memory and time
START = 20  # seconds that making the sandbox may take
BESIDES = 2  # process 1, and bubblewrap's
PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


def watch(job, child, out, err, status):
    """Until the program ends or meets a limit; when this returns, no process of it is left."""
    limits = job["limits"]
    texts, said = {out: bytearray(), err: bytearray()}, bytearray()
    open_ends = select.poll()
    for end in (out, err, status, 0):
        open_ends.register(end, select.POLLIN)
    begun, used, stopped = time.monotonic(), {"cpuSeconds": 0.0, "peakBytes": 0}, None
    deadline, started, next_look = begun + START, False, begun + EVERY
    listening = {out, err, status}
    while listening and not stopped:
        for end, _ in open_ends.poll(EVERY * 1000):
            room = limits["outputBytes"] - sum(map(len, texts.values()))
            more = os.read(end, min(1 << 16, room + 1) if end in texts else 1 << 16)
            if end == 0:
                stopped = stopped or (None if more else "stopped")
            elif not more:
                open_ends.unregister(end)
                listening.discard(end)
            elif end == status:
                said += more
            elif len(more) > room:
                texts[end] += more[:room]
                stopped = "output"
            else:
                texts[end] += more
        if not started and b"\n" in said:
            started, begun = True, time.monotonic()
            deadline = begun + limits["wallSeconds"]
        now = time.monotonic()
        if now >= deadline:
            stopped = stopped or "wall"
        if now >= next_look:
            next_look = now + EVERY
            stopped = stopped or over(*look(child, used, limits["processes"] + BESIDES), limits, used)
        if status not in listening and not alive(child):
            break  # what the program left running has ended with it; its output is in the pipes
    wall = time.monotonic() - begun
    end_all(child)
    for end, text in texts.items():
        drain(end, text, limits["outputBytes"] - sum(map(len, texts.values())))
    ended = {}
    for message in said.splitlines():
        ended.update(json.loads(message))
    used["peakBytes"] = max(used["peakBytes"], ended.pop("peakBytes", 0))
    if not started and "failed" not in ended:
        ended["failed"] = texts[err].decode(errors="replace").strip() or "it ended without a word"
    elif not ended.keys() & {"code", "failed"} and not stopped:
        ended["code"] = -signal.SIGKILL  # with its process 1, which only the machine can end
    return {"stopped": stopped, "wallSeconds": wall, **used, **ended}, list(texts.values())


def alive(child):
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def drain(end, text, room):
    os.set_blocking(end, False)
    try:
        while room > 0:
            more = os.read(end, min(1 << 16, room))
            if not more:
                break
            text += more
            room -= len(more)
    except BlockingIOError:
        pass


def end_all(child):
    """With process 1 its namespace ends; under bubblewrap that is the child's child, and dies with it."""
    os.kill(child, signal.SIGKILL)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def processes(top, most):
    """Processes below `top`, by their numbers here; all of them, or somewhat more than `most`."""
    found = [top]
    for parent in found:
        if len(found) > most + 2:
            break
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children") as file:
                    found += map(int, file.read().split())
        except OSError:
            pass  # it has ended meanwhile
    return found[1:]


def look(child, used, most):
    """Bytes of their own that the processes hold now, and which they are; notes the most so far, and the time taken."""
    held, ticks, running = 0, 0, processes(child, most)
    for process in [child, *running]:
        try:
            with open(f"/proc/{process}/statm") as file:
                _, resident, shared = map(int, file.read().split()[:3])
            with open(f"/proc/{process}/stat") as file:
                ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
        except (OSError, ValueError):
            continue
        held += (resident - shared) * PAGE if process != child else 0
    used["cpuSeconds"] = max(used["cpuSeconds"], ticks / TICK)
    used["peakBytes"] = max(used["peakBytes"], held)
    return held, running


def over(held, running, limits, used):
    if used["cpuSeconds"] >= limits["cpuSeconds"]:
        return "cpu"
    if len(running) > limits["processes"] + BESIDES:
        return "processes"  # where the kernel did not refuse them
    return "memory" if held > limits["memoryBytes"] and shares(running) > limits["memoryBytes"] else None


def shares(running):
    """Bytes, where pages that several processes hold count once: slower, so only asked near the limit."""
    total = 0
    for process in running:
        try:
            with open(f"/proc/{process}/smaps_rollup") as file:
                total += sum(int(row.split()[1]) for row in file if row.startswith("Pss_Anon:")) * 1024
        except OSError:
            pass
    return total
