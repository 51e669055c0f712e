"""Seeded random templates and their variables, for templates.py.

`Wild` writes whatever the grammar allows: most of it fails on values of the wrong type, and jinja2 has to refuse it.
`Typed` writes what renders nearly always: texts, counts and conditions where they belong.
A draw consumes random numbers in the order written here: test/model/template/jinja2.json depends on it.
"""

import random

LITERALS = (
    "1", "0", "3", "-2", "2.5", "1.0", "1e3", "0.1", "true", "false", "True", "none", "None", "''", "'a'",
    "'hello world'", '"x\\ny"', "' pad '", "'é½🙂'", "[]", "{}", "()", "[1,2,3]", "{'k':1,'z':'v'}", "(1,'b')",
    "[3,1,2]", "['b','A','c']", "'a,b,,c'", "'%s-%d'", "'<b>&'", "'1_000'", "' 42 '", "'3.7'", "'\\t\\u00e9'",
    "'it\\'s'", "'a\"b'", "'x'*3",
)
ATTRIBUTES = (
    "role", "content", "items", "keys", "k", "z", "get", "x", "length", "name", "0", "title", "values", "first",
    "index", "last", "_p", "__class__", "a",
)
METHODS = (
    ".strip()", ".strip('a ')", ".lstrip('\\n')", ".rstrip()", ".split()", ".split(',')", ".split('l',1)",
    ".rsplit('o',1)", ".rsplit(None,1)", ".upper()", ".lower()", ".title()", ".capitalize()", ".replace('l','L')",
    ".replace('l','',1)", ".startswith('h')", ".endswith(('d','x'))", ".find('o')", ".rfind('o')", ".index('l')",
    ".count('l')", ".partition('o')", ".rpartition('l')", ".splitlines()", ".isdigit()", ".isalpha()", ".islower()",
    ".isspace()", ".zfill(5)", ".ljust(7,'.')", ".rjust(4)", ".center(8,'*')", ".join(['p','q'])", ".format(1,x=2)",
    ".removeprefix('he')", ".removesuffix('d')", ".get('k')", ".get('nope')", ".get('nope','D')", ".items()", ".keys()",
    ".values()", ".items()|list", ".copy()", ".append(1)", ".update({})", ".pop()", ".swapcase()", ".index(1)",
    ".count(1)", ".splitlines(true)", ".isupper()", ".isalnum()", ".casefold()", ".encode()", ".istitle()",
)
FILTERS = (
    "upper", "lower", "trim", "trim('ad')", "length", "count", "list", "string", "int", "float", "int(7)",
    "int(default=none)", "float(1)", "first", "last", "join", 'join(", ")', 'join(attribute="role")', "tojson",
    "tojson(indent=2)", "tojson(sort_keys=true)", "tojson(ensure_ascii=true)", 'tojson(separators=(",",":"))',
    'tojson(indent="\\t")', 'default("D")', 'd("D",true)', "default(none)", 'replace("l","L")', 'replace("l","L",1)',
    "title", "capitalize", "reverse", "reverse|list", "sort", "sort(reverse=true)", 'sort(attribute="role")',
    "unique|list", 'map("upper")|list', 'map(attribute="role")|list', 'map(attribute="nope",default="q")|list',
    'map("int")|list', "select|list", 'reject("none")|list', 'select("string")|list', 'selectattr("role")|list',
    'selectattr("role","equalto","user")|list', 'rejectattr("role","in",["user"])|list', "items|list", "dictsort",
    "dictsort(reverse=true)", 'dictsort(by="value")', "abs", "round", "round(1)", 'round(2,"floor")', "sum", "max",
    "min", "batch(2)|list", 'batch(2,"-")|list', "slice(2)|list", 'groupby("role")', "indent", "indent(2)",
    "indent(2,true)", "indent(3,first=true,blank=true)", "wordcount", "truncate(5)", 'truncate(4,true,"")', "center(9)",
    "escape", "e", "safe", 'attr("role")', "format(1,2)", 'format("q",3)', "nosuch",
    'selectattr("nope","defined")|list', 'selectattr("content","undefined")|first', 'map("trim")|join("|")',
    'map(attribute="content")|map("length")|list', 'sum(attribute="nope")', 'min(attribute="role")', "last|string",
    "list|length", "urlencode", "pprint", "string|length",
)
TESTS = (
    "defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence",
    "iterable", "true", "false", "odd", "even", "divisibleby 2", "divisibleby(3)", "equalto 1", 'eq("a")', "ne 1",
    'in [1,2,"a"]', "sameas none", "lower", "upper", "callable", "escaped", "gt 1", "lt(5)", "ge 1", "le 2", "nosuch",
    "filter", "test",
)
LOOP = ("loop.index", "loop.first", "loop.last", "loop.length", "loop.index0")
VARIABLES = {
    "a": 1, "b": [1, 2], "s": "hello world", "n": -7, "f": 3.75, "d": {"k": 1, "z": "v", "items": [1]},
    "L": ["b", "A", "c"], "T": {"z": [1, {"q": None}], "e": "<é&'\">", "n": 2}, "nul": None, "yes": True, "e": "",
    "u8": "é½ 日本 🙂",
    "msgs": [{"role": "user", "content": " hi\n"}, {"role": "assistant", "content": "<think>x</think>\n\n  y"},
             {"role": "user", "content": None}],
    "m": {"role": "tool", "content": "c", "_p": 5, "title": "t"}, "x": "X",
}


class Wild:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.macros = []
        self.loops = 0

    def pick(self, *options):
        return self.random.choice(options)

    def chance(self, share):
        return self.random.random() < share

    def name(self):
        return self.pick("a", "b", "s", "n", "f", "d", "L", "T", "nul", "yes", "msgs", "m", "und", "ns", "x",
                         "loop" if self.loops else "x", "e", "u8")

    def expression(self, depth):
        pick = self.pick
        if depth <= 0:
            return pick(self.name(), pick(*LITERALS), self.name())
        kind = self.random.randint(0, 19)
        inner = lambda: self.expression(depth - 1)
        if kind <= 1:
            return pick(*LITERALS) if kind else self.name()
        if kind == 2:
            return f"{inner()}.{pick(*ATTRIBUTES)}" if self.chance(0.5) else f"{inner()}['{pick(*ATTRIBUTES)}']"
        if kind == 3:
            return f"{inner()}[{pick('0', '-1', '1', '7', inner())}]"
        if kind == 4:
            start, stop, step = ("", ":", "1", "-2"), ("", "1", "-1", "5"), ("", ":2", ":-1")
            return f"{inner()}[{pick(*start)}:{pick(*stop)}{pick(*step)}]".replace("[::", "[:")
        if kind in (5, 6):
            return f"{inner()}{pick(*METHODS)}"
        if kind in (7, 8, 9):
            return f"{inner()}|{pick(*FILTERS)}"
        if kind == 10:
            return f"({inner()} is {pick('', 'not ')}{pick(*TESTS)})"
        if kind == 11:
            return f"({inner()} {pick('==', '!=', '<', '>', '<=', '>=', 'in', 'not in')} {inner()})"
        if kind == 12:
            return f"({inner()} {pick('and', 'or')} {inner()})"
        if kind == 13:
            return f"(not {inner()})"
        if kind == 14:
            return f"({inner()} {pick('+', '-', '*', '/', '//', '%', '**', '~', '~', '+')} {inner()})"
        if kind == 15:
            return f"({inner()} if {inner()}{pick('', ' else ' + inner(), ' else ' + inner())})"
        if kind == 16:
            return pick(f"[{inner()}, {inner()}]", f"({inner()},)",
                        f"{{'q': {inner()}, {pick('1', 'true', 'none', chr(34) + 'w' + chr(34))}: {inner()}}}",
                        f"({inner()}, {inner()})")
        if kind == 17:
            return pick("range(3)", "range(1,6,2)", "range(3,0,-1)|list", "namespace(a=1)", "dict(a=1,b='x')",
                        "strftime_now('%d %b %Y')", f"range({inner()})|list")
        if kind == 18 and self.macros:
            return f"{self.random.choice(self.macros)}(" + pick(
                "", inner(), f"{inner()}, {inner()}", f"x={inner()}", f"y={inner()}", "*[1]", '**{"x":2}') + ")"
        if kind == 18 and self.loops:
            return pick(*LOOP, "loop.revindex", "loop.previtem", "loop.nextitem is defined", 'loop.cycle("p","q")',
                        "loop.changed(a)", "loop.depth", "loop.nope")
        return pick("-", "+") + inner() if kind == 19 else self.name()

    # What `Typed` chooses otherwise.
    def value(self, depth, *typed):
        return self.expression(depth)

    def assignment(self):
        name = self.pick("a", "b", "x", "n", "q, w")
        return f"set {name} = {self.pick(self.expression(3), self.expression(2) + ', ' + self.expression(1))}"

    def capture(self):
        return self.pick("a", "b") + self.pick("", "|upper", "|trim|length")

    def parameters(self):
        return self.pick("", "x", "x, y=2", "x=1, y=x")

    call = "call(z) "

    def blank(self):
        return self.pick("", "", "", " ", "\n", "  ", "\n\n", "  \n\t")

    def tag(self, body):
        return "{%" + self.pick("", "", "", "-", "+") + f" {body} " + self.pick("", "", "", "-", "+") + "%}"

    def output(self):
        left = self.pick("", "", "-")
        return "{{" + left + f" {self.expression(self.random.randint(0, 3))} " + self.pick("", "", "-") + "}}"

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.random.randint(1, 3)))

    def apart(self, depth):
        """A body that does not see the loop around it."""
        loops, self.loops = self.loops, 0
        body = self.body(depth)
        self.loops = loops
        return body

    def loop(self, depth):
        pick, blank = self.pick, self.blank
        self.loops += 1
        target = pick("x", "m", "k, v", "x")
        items = pick("d.items()", "d|items", "[(1,2),(3,4)]", "T|dictsort", "d|dictsort")
        if target != "k, v":
            items = pick("L", "msgs", "s", "d", "range(3)", "[1,2,3]", "und", 'msgs|selectattr("role")', "L|reverse",
                         self.value(2, "msgs[1:]"))
        self.loops -= 1
        only = pick("x is defined", self.value(1, "loop is defined"))
        head = f"for {target} in {items}" + pick("", "", "", f" if {only}")
        self.loops += 1
        text = blank() + self.tag(head) + blank() + self.body(depth)
        if self.chance(0.3):
            text += self.tag("if " + pick("loop.index > 1", "loop.last", self.value(1, "n")))
            text += "Z" + self.tag(pick("break", "continue")) + self.tag("endif") + blank()
        text += self.body(depth)
        self.loops -= 1
        if self.chance(0.25):
            text += self.tag("else") + self.body(depth)
        return text + self.tag("endfor") + blank()

    def statement(self, depth):
        pick, blank, tag = self.pick, self.blank, self.tag
        kind = self.random.randint(0, 21)
        if depth <= 0 or kind <= 5:
            word = blank() + pick("text", "A", " b", "\n", "c ", "{", "}", "%", "#", '"', "line\n") + blank()
            return word + (self.output() if self.chance(0.8) else "")
        if kind in (6, 7):
            head = blank()
            condition = self.value(2, "yes", "n > 1", "e", "y is defined", "x", "not a", "loop is defined")
            text = head + tag("if " + condition) + blank() + self.body(depth - 1)
            if self.chance(0.3):
                text += tag("elif " + self.value(2, "n", "e", "yes")) + self.body(depth - 1)
            if self.chance(0.4):
                text += tag("else") + blank() + self.body(depth - 1)
            return text + tag("endif") + blank()
        if kind in (8, 9, 10):
            return self.loop(depth - 1)
        if kind in (11, 12):
            return tag(self.assignment()) + blank()
        if kind == 13:
            return tag(f"set ns.{pick('a', 'b', 'found')} = {self.expression(2)}")
        if kind == 14:
            return tag("set " + self.capture()) + self.body(depth - 1) + tag("endset")
        if kind == 15:
            name = pick("f", "g", "h")
            body = self.apart(depth - 1)
            body += pick("", " {{ varargs }}", " {{ kwargs }}", ' {{ caller() if caller is defined else "nc" }}')
            self.macros.append(name)
            return tag(f"macro {name}({self.parameters()})") + body + tag("endmacro") + blank()
        if kind == 16:
            head = tag("with " + pick("a=1", f"a={self.expression(1)}, b=a", ""))
            return head + self.body(depth - 1) + tag("endwith")
        if kind == 17:
            start = "{%" + pick("", "-", "+") + " raw " + pick("", "-") + "%}" + blank()
            text = start + pick("{{ x }}", "{% if %}", "plain", "{# c #}") + blank()
            return text + "{%" + pick("", "-") + " endraw " + pick("", "-", "+") + "%}" + blank()
        if kind == 18:
            return blank() + "{#" + pick("", "-", "+") + " comment {{ x }} " + pick("", "-", "+") + "#}" + blank()
        if kind == 19:
            body = self.apart(depth - 1)
            return tag("generation") + body + tag("endgeneration")
        if kind == 20:
            filters = pick("upper", "trim", 'replace("a","b")', "indent(2)")
            return tag(f"filter {filters}") + self.body(depth - 1) + tag("endfilter")
        if kind == 21 and self.macros:
            body = self.apart(depth - 1)
            head = pick("call ", self.call, "call ") + self.random.choice(self.macros)
            return tag(f"{head}({pick('', self.expression(1))})") + body + tag("endcall")
        return self.output()

    def ends(self, text):
        """Some templates have the line ends of Windows or of old Macs."""
        return text.replace("\n", self.pick("\r\n", "\r")) if self.chance(0.1) else text


class Typed(Wild):
    def text(self):
        return self.pick("s", "u8", "'lit '", "'\\n x'", "msgs[0].content", "(x|string)", "(a|string)", "(b|string)",
                         "m.role", "(y|d('Y'))|string", "e", "(kwargs is defined)|string")

    def expression(self, depth):
        pick, text = self.pick, self.text
        kind = self.random.randint(0, 16)
        if kind == 5:
            return f"({text()})" + pick(".strip()", "|trim", ".upper()", "|length", ".split()", ".split('l')[0]",
                                        "|tojson", "[1:3]", "[::-1]", "|replace('l','LL')", '.lstrip(" h")',
                                        "|indent(2)")
        if kind == 6:
            return pick("n", "1", "n + 1", "3 % 2", "n // 2", "n * 2", "7 / 2", "[1,2,3]|sum", "L|length", "d|length")
        if kind == 7:
            return f"{text()} ~ {text()}"
        if kind == 8:
            return pick("L", "d", "T|tojson", "d.items()|list", "msgs|map(attribute='role')|list", "range(3)|list",
                        "[a, b]", "(x, n)", "{'q': x}", "T")
        if kind == 9:
            return pick("yes", "not yes", "x is defined", "y is defined", "a is none", "b is string", "n > 1", "n == 3",
                        "'l' in s", "q is defined", "w is undefined", "f is defined", "loop is defined")
        if kind == 10:
            return f"({text()} if {pick('yes', 'e', 'n', 'x is defined')}" + pick("", " else 'E'") + ")"
        if kind == 11:
            return pick("ns.a", "ns.b", "ns.found", "a", "b", "x", "n", "q", "w", "y", "f is callable")
        if kind == 12 and self.loops:
            return pick(*LOOP, "loop.revindex0", "loop.previtem is defined", "loop.nextitem is defined",
                        'loop.cycle("p","q")', "loop.changed(x)", "loop.depth")
        if kind == 13 and self.macros:
            name = self.random.choice(self.macros)
            return f"({name}(1) if {name} is defined and {name} is callable else 'nm')"
        return text()

    def value(self, depth, *typed):
        return self.pick(*typed)

    def assignment(self):
        return f"set {self.pick('a', 'b', 'x', 'y', 'q')} = {self.expression(3)}"

    def capture(self):
        return self.pick("a", "b", "y") + self.pick("", "|upper", "|trim")

    def parameters(self):
        return self.pick("x", "x, y=2", "x=1, y=x")

    call = "call(z=1) "


def variables(seed):
    """VARIABLES, some of them drawn."""
    pick = random.Random(seed).choice
    third = pick(["z", "z", "z", "z", None])
    return VARIABLES | {
        "a": pick([1, 0, "str", None, True]), "b": pick([[1, 2], "bb", 2.5]), "n": pick([0, 3, -7, 12]),
        "s": pick(["hello world", "", " lead\n", "über 🙂 x", "a,b\r\nc"]), "f": pick([1.5, -0.25, 3.75, 1e-7]),
        "d": pick([{"k": 1, "z": "v", "items": [1]}, {"b": 2, "a": 1, "C": 0}, {}]), "x": pick(["X", 5, None]),
        "L": pick([[3, 1, 2], ["b", "A", "c"], [], [1, "x", None], [{"role": "user"}, {"role": "x"}]]),
        "msgs": VARIABLES["msgs"][:2] + [{"role": "user", "content": third}],
    }
