"""Chat templates against Python's jinja2 with transformers' settings: src/model/template, and other libraries if asked.

    python3 -m venv VENV && VENV/bin/pip install jinja2==3.1.6
    VENV/bin/python bench/oracle/templates.py compare [--candidate DIR]   the table of LOG.md
    VENV/bin/python bench/oracle/templates.py fixture                     test/model/template/jinja2.json again

Counted where jinja2 renders: agree; differ (both render, not the same); refused (the other refuses). Where jinja2
refuses: lax (the other renders). Where both refuse, or jinja2 prints an address in memory, nothing is counted.
--candidate: a folder with some of @huggingface/jinja, minijinja-js, nunjucks in node_modules; the others are UNRUN.
`fixture` keeps templates that both render alike and those that both refuse, so what is refused on purpose is not in
it; it fails where both render and differ. `node` (24) is taken from node_modules, or from the PATH.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings

from jinja2 import TemplateError, __version__, nodes, pass_eval_context
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from templates_random import VARIABLES, Typed, Wild, variables

ROOT = pathlib.Path(__file__).resolve().parents[2]
COUNTED = ("agree", "differ", "refused", "lax")
CANDIDATES = ("@huggingface/jinja", "minijinja-js", "nunjucks")
NOW = "2026-11-26T09:05:07"
ADDRESS = re.compile("0x[0-9a-f]{6,}", re.IGNORECASE)
NAMESPACE = '{% set ns = namespace(a=1,b="") %}'


class Generation(Extension):
    """transformers' `{% generation %}`: it marks an assistant's words, and prints what is in it."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_print"), [], [], body).set_lineno(line)

    @pass_eval_context
    def _print(self, context, caller):
        return caller()


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def refuse(message):
    raise TemplateError(message)


def stop(*_):
    raise TimeoutError


def jinja2(cases):
    """{want} or {error} for each case, which gets 2 seconds, and copies of its variables: templates can change them."""
    warnings.simplefilter("ignore", SyntaxWarning)
    signal.signal(signal.SIGALRM, stop)
    compiled = {}
    results = []
    for one in cases:
        try:
            signal.setitimer(signal.ITIMER_REAL, 2)
            key = (one["template"], one["now"])
            if key not in compiled:
                environment = ImmutableSandboxedEnvironment(
                    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
                environment.filters["tojson"] = tojson
                now = datetime.datetime.fromisoformat(one["now"])
                environment.globals.update(raise_exception=refuse, strftime_now=now.strftime)
                compiled[key] = environment.from_string(one["template"])
            results.append({"want": compiled[key].render(**json.loads(json.dumps(one["variables"])))})
        except Exception as error:
            results.append({"error": f"{type(error).__name__}: {error}"})
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return results


def node(cases, *candidate):
    """The same by templates.ts."""
    local = ROOT / "node_modules/.bin/node"
    command = [str(local) if local.exists() else "node", str(ROOT / "bench/oracle/templates.ts"), *candidate]
    done = subprocess.run(command, input="\n".join(map(json.dumps, cases)), capture_output=True, text=True)
    results = [json.loads(line) for line in done.stdout.split("\n") if line]
    if len(results) != len(cases):
        sys.exit(f"{command}: {len(results)} results for {len(cases)} cases\n{done.stderr[-2000:]}")
    return results


def verdict(want, got):
    if ADDRESS.search(want.get("want", "")):
        return "address"
    if "want" in want and "want" in got:
        return "agree" if want["want"] == got["want"] else "differ"
    return "refused" if "want" in want else "lax" if "want" in got else "both refuse"


def case(template, values, now=NOW):
    return {"template": template, "variables": values, "now": now}


TEXTS = (
    "Hello!", "", "What is 2 + 3?", "\n\nStarts after blanks", "Ends with blanks  \n", "\tTab first",
    "a <b> & \"c\" 'd'", "```py\nx = 1\n```", "<think>\nhm\n</think>\n\nfine", "é ½ 日本 🙂", "  \n ", "/no_think please",
    "{{ x }} {% if %}", "C:\\path\\n", "line1\r\nline2", "\u00a0nbsp\u00a0", "</think> alone",
    "x<think>y</think>z</think>w",
)
TOOLS = json.loads(r"""[{"type": "function", "function": {
 "name": "weather", "description": "Weather in \"Paris\" & <b>é</b>\nmore", "parameters": {
  "type": "object", "required": ["place"], "properties": {
   "place": {"type": "string", "description": "City"}, "unit": {"type": "string", "enum": ["C", "F"]},
   "days": {"type": "integer", "minimum": 1, "default": 3}, "tags": {"type": "array", "items": {"type": "string"}},
   "o": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}, "x": {"type": "number", "maximum": 0.5}
 }}}}, {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}]""")


def conversation(draw):
    """Variables of a chat template: turns with and without a system prompt, tools, reasoning, documents, switches."""
    chance = lambda share: draw.random() < share
    text = lambda: draw.choice(TEXTS)
    tools = chance(0.4)
    messages = [{"role": "system", "content": text()}] if chance(0.5) else []
    for turn in range(draw.randint(1, 4)):
        messages.append({"role": "user", "content": text()})
        reasoning = {"reasoning_content": text()} if chance(0.3) else {}
        if tools and chance(0.4):
            wanted = {"place": text(), "days": draw.randint(0, 9), "deep": [1, None, True, {"x": -0.25}, 1e-7, 1e22]}
            function = {"name": "weather", "arguments": draw.choice([wanted, json.dumps(wanted)])}
            calls = [{"id": "call_12345", "type": "function", "function": function}] * draw.randint(1, 2)
            content = draw.choice([None, "", text()])
            messages.append({"role": "assistant", "content": content, "tool_calls": calls} | reasoning)
            answer = {"role": "tool", "tool_call_id": "call_12345", "name": "weather", "content": text()}
            messages += [answer] * len(calls)
        if turn or chance(0.7):
            messages.append({"role": "assistant", "content": text()} | reasoning)
    if messages[-1]["role"] == "assistant" and chance(0.8):
        messages.append({"role": "user", "content": text()})
    if chance(0.1):
        messages[-1]["content"] = [{"type": "text", "text": text()}, {"type": "text", "text": "b"}]
    values = {"messages": messages, "add_generation_prompt": chance(0.7), "bos_token": "<s>", "eos_token": "</s>"}
    if tools or chance(0.7):
        values["tools"] = draw.choice([TOOLS, TOOLS[:1]]) if tools else None
    if chance(0.7):
        values["documents"] = [{"title": "T", "text": "é\nx"}, {"title": "U", "text": ""}] if chance(0.1) else None
    for name in ("enable_thinking", "thinking", "preserve_thinking", "add_vision_id"):
        if chance(0.3):
            values[name] = chance(0.5)
    return values | ({"date_string": "26 Jul 2024"} if chance(0.1) else {})


def golden(folder):
    file = json.loads((folder / "golden.json").read_bytes())
    cases = [case(file["templates"][x["template"]], x["variables"], file["now"]) for x in file["cases"]]
    if [result.get("want") for result in jinja2(cases)] != [x["want"] for x in file["cases"]]:
        sys.exit(f"{folder}: this jinja2 renders otherwise")
    return cases


def expressions(seed, count):
    for i in range(count):
        draw = Wild(seed * 1000003 + i)
        text = NAMESPACE + "{{ " + draw.expression(draw.random.randint(1, 3)) + " }}"
        yield case(draw.ends(text), variables(seed * 77 + i))


def templates(kind, seed, count):
    for i in range(count):
        draw = kind(seed * 1000003 + i)
        head = NAMESPACE if kind is Typed or draw.chance(0.5) else ""
        text = head + draw.body(3) + draw.body(2) + draw.pick("", "\n", "\n\n")
        yield case(draw.ends(text), variables(seed * 77 + i))


def dates():
    """Every conversion of strftime, with flags and widths, over 84 dates."""
    formats = ["%" + c for c in "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZfEOQL%"]
    formats += [f"%{flag}{c}" for flag in "-_0^#" for c in "aAbBdemHIjMSypYZ"]
    formats += ["%10Y", "%3d", "%05d", "%-5d", "%Ey", "%Od", "%", "%é", "%+", "a%"]
    draw = random.Random(7)
    start = datetime.datetime(1900, 1, 1)
    days = [start + datetime.timedelta(seconds=draw.randrange(200 * 31557600)) for _ in range(40)]
    for year in (1999, 2000, 2004, 2005, 2009, 2010, 2015, 2016, 2020, 2024, 2026):
        days += [datetime.datetime(year, 1, 1), datetime.datetime(year, 1, 3, 12)]
        days += [datetime.datetime(year, 12, 31, 23, 59, 59), datetime.datetime(year, 12, 29, 13)]
    return [case("{{ strftime_now(f) }}", {"f": f}, day.isoformat()) for day in days for f in formats]


def compare(options):
    found = sorted(options.templates.glob("*.jinja"))
    draw = random.Random(options.seed)
    columns = {"golden": golden(options.golden)} if (options.golden / "golden.json").exists() else {}
    if found:
        title = f"{len(found)} templates of model families"
        columns[title] = [case(x.read_bytes().decode(), conversation(draw)) for x in found for _ in range(options.each)]
    columns["expressions"] = list(expressions(options.seed, options.expressions))
    columns["well-typed templates"] = list(templates(Typed, options.seed, options.typed))
    columns["wild templates"] = list(templates(Wild, options.seed, options.wild))
    wanted = {title: jinja2(cases) for title, cases in columns.items()}
    titles = (f"{title} ({len(cases)})" for title, cases in columns.items())
    print(" | ".join(["| agree, differ, refused, lax", *titles]) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in ("src/model/template", *CANDIDATES):
        ours = name not in CANDIDATES
        if not ours and not (options.candidate and (options.candidate / "node_modules" / name).is_dir()):
            print(" | ".join([f"| {name}", *("UNRUN" for _ in columns)]) + " |")
            continue
        cells = []
        for title, cases in columns.items():
            counts = collections.Counter()
            for one, want, got in zip(cases, wanted[title], node(cases, *([] if ours else [name, options.candidate]))):
                kind = verdict(want, got)
                counts[kind] += 1
                if ours and kind in COUNTED[1:] and sum(counts[x] for x in COUNTED[1:]) <= options.show:
                    print(f"{title}: {kind} {json.dumps(one)}\n  jinja2: {want}\n  ours:   {got}", file=sys.stderr)
            cells.append(", ".join(str(counts[kind]) for kind in COUNTED))
        print(" | ".join([f"| {name}", *cells]) + " |", flush=True)
    counts = collections.Counter(map(verdict, jinja2(dates()), node(dates())))
    for folder in (options.golden, options.templates):
        if not folder.is_dir():
            print(f"UNRUN: {folder} is not there")
    print(f"strftime_now of src/model/template: {dict(counts)}")


def fixture(options):
    seeds = range(900000, 901500)
    drawn = ["{{ " + draw.expression(draw.random.randint(1, 3)) + " }}" for draw in map(Wild, seeds)]
    for draw in map(Wild, range(700000, 706000)):
        text = draw.ends((NAMESPACE if draw.chance(0.5) else "") + draw.body(2))
        if len(text) < 400:
            drawn.append(text)
    # Refused on purpose, or by a name that says nothing of the rest of the template.
    left_out = re.compile(r"pprint|urlencode|nosuch|encode|casefold|swapcase|istitle|__class__|\|e\b|escape|safe|"
                          "is filter|is test|is not filter|is not test")
    cases = [case(text, VARIABLES) for text in dict.fromkeys(drawn) if not left_out.search(text)]
    kept = {"expressions": [], "statements": [], "refused": []}
    counts = collections.Counter()
    for one, want, got in zip(cases, jinja2(cases), node(cases)):
        text = one["template"]
        kind = verdict(want, got)
        counts[kind] += 1
        if kind == "differ":
            sys.exit(f"differs: {text!r}\n  jinja2: {want}\n  ours:   {got}")
        row = {"template": text, "want": want.get("want")}
        if kind == "both refuse":
            kept["refused"].append(row)
        elif kind == "agree" and text.startswith("{{ ") and text.endswith(" }}"):
            kept["expressions"].append(row)
        elif kind == "agree" and "{%" in text:
            kept["statements"].append(row)
    made = f"what the Python package jinja2 {__version__} makes of them with transformers' settings"
    rows = kept["expressions"][:260] + kept["statements"][:240] + kept["refused"][:60]
    file = {"note": f"Random templates, and {made} (null: it refuses them).", "variables": VARIABLES, "cases": rows}
    options.out.write_text(json.dumps(file, ensure_ascii=False, indent=0), "utf-8")
    subprocess.run([ROOT / "node_modules/.bin/biome", "format", "--write", options.out], cwd=ROOT, check=True)
    print(f"{options.out}: {len(rows)} of {len(cases)} templates; {dict(counts)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    add = commands.add_parser("compare", help="print a table of agreeing and differing cases")
    add.set_defaults(run=compare)
    add.add_argument("--seed", type=int, default=1)
    shared = ROOT.parent / "shared"
    add.add_argument("--templates", type=pathlib.Path, default=shared / "data/chat-templates", help=".jinja files")
    add.add_argument("--golden", type=pathlib.Path, default=shared / "golden/templates")
    add.add_argument("--each", type=int, default=12, help="conversations a .jinja file")
    add.add_argument("--expressions", type=int, default=10000)
    add.add_argument("--typed", type=int, default=6000, help="well-typed templates")
    add.add_argument("--wild", type=int, default=6000, help="templates of any types")
    add.add_argument("--candidate", type=pathlib.Path, help="folder with other libraries in its node_modules")
    add.add_argument("--show", type=int, default=0, help="disagreements of ours to print for each column")
    add = commands.add_parser("fixture", help="write jinja2.json")
    add.set_defaults(run=fixture)
    add.add_argument("--out", type=pathlib.Path, default=ROOT / "test/model/template/jinja2.json")
    os.environ.update(TZ="UTC", LC_ALL="C.UTF-8")
    time.tzset()
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
