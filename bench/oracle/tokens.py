"""Tokenizers against Python's `tokenizers`: what src/model/tokenizer.ts makes of random texts.

    python3 -m venv VENV && VENV/bin/pip install tokenizers==0.23.3
    VENV/bin/python bench/oracle/tokens.py compare [FILE ...]   tokenizer.json files, and the kinds of tokens_kinds.py
    VENV/bin/python bench/oracle/tokens.py fixture              test/tokenizer/kinds.jsonl again

Texts are mixtures of what tokenizers get wrong, and single characters of many blocks between letters and digits.
Counted where they differ: ids without what the tokenizer puts around a text; ids with it (files, and kinds named p-);
the text of Python's ids, special tokens shown; the same, hidden. Two differences are meant, and counted in a column of
their own: a start or end token that a text spells itself is not put there again, and a normalized added token is shown
as the file spells it (the library shows what its normalizer makes of it). `node` (24): node_modules, or the PATH.
"""

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer, __version__

from tokens_kinds import ADDED, KINDS, bpe, tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]

BLOCKS = [(32, 127)] * 6 + [
    (0x9, 0xE), (0xA0, 0x180), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x660, 0x66A), (0x900, 0x980),
    (0xE00, 0xE80), (0x1100, 0x1200), (0x2000, 0x2070), (0x2070, 0x20A0), (0x2150, 0x2190), (0x2460, 0x2500),
    (0x3000, 0x3100), (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xFB00, 0xFB50), (0xFDD0, 0xFDF0), (0xFE00, 0xFE10),
    (0xFEFF, 0xFF00), (0xFF00, 0xFFE0), (0x10A40, 0x10A49), (0x1D400, 0x1D500), (0x1F1E6, 0x1F200), (0x1F300, 0x1F650),
    (0xE0100, 0xE01F0)]
WORDS = [
    "½", "²", "¾", "①", "Ⅳ", "٣", "\u200b", "\u2028", "\u0085", "\ufeff", "\u180e", "\u00ad", "ß", "İ", "ſ", "K", "ﬁ",
    "e\u0301", "\u1e9e", " ", "  ", "\n", "\r\n", "\t", "'s", "'S", "'ſ", "'ll", "don't", "12345", " 3", "3.14",
    "<think>", "</think>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<s>", "</s>", "<unk>", "▁",
    "hello", "Hello", "WORLD", " the", "한국어", "日本", "मानक", "ไทย", "👨‍👩‍👧", "🇩🇪", "👍🏽", "<0x41>", "##a", "[UNK]",
    "_", "-", "...", "!?", "«»", "foo", "AB<mask>CD", "  <mask> ", "café"]
SWEEPS = [*range(0x80, 0x3400), *range(0xA000, 0xABFF), *range(0xF900, 0xFB00, 7), *range(0xFB00, 0xFFFF),
          *range(0x10000, 0x12000, 3), *range(0x1D000, 0x1F000, 5), *range(0x1F000, 0x1FB00, 2)]

FIXTURE_KINDS = (
    "digits-ind digits-con digits-ind-bl split-g4-MergedWithPrevious split-g4-Contiguous split-d-MergedWithNext "
    "split-lit-Removed split-lit-inv-Isolated punct-Isolated punct-Removed split-w split-b split-ci split-class "
    "split-poss split-o200k deepseek-v3 bl bl-prefix meta-always-True meta-first-True meta-never-False Whitespace "
    "WhitespaceSplit BertPreTokenizer UnicodeScripts n-NFKC n-StripAccents n-Strip n-Replace n-Prepend llama2 gemma "
    "llama2-nounk ignore-merges add-lstrip add-rstrip add-ns-single_word add-norm-lower add-llama2-norm add-blanks "
    "unigram-bf wordpiece bpe-prefix bpe-suffix").split()
FIXTURE_TEXTS = [
    "Add ½ cup, x² = ٣ or Ⅳ ①", "a12345 b3", "  the  hello\n\nthe\t ", "don't 'ſ 'S!? ... foo-foo_foo",
    "日本 한국어 é e\u0301 ßİ", "\ufeff \u200b\u2028\u0085x", "<mask> a<mask> <s>the<unk>▁hello AB<mask>CD",
    "👨‍👩‍👧 <|im <think> HELLO hello"]


def random_texts(seed, count):
    draw = random.Random(seed)

    def part():
        return draw.choice(WORDS) if draw.random() < 0.45 else chr(draw.randrange(*draw.choice(BLOCKS)))

    return ["".join(part() for _ in range(draw.choice([1, 2, 3, 5, 8, 13, 30]))) for _ in range(count)]


def oracle(tokenizer, texts, special):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return {
        "ids": ids,
        "around": [tokenizer.encode(text).ids for text in texts] if special else [],
        "shown": [tokenizer.decode(x, skip_special_tokens=False) for x in ids],
        "hidden": [tokenizer.decode(x) for x in ids],
    }


class Ours:
    """tokens.ts, one tokenizer after another."""

    def __init__(self):
        node = ROOT / "node_modules/.bin/node"
        command = [str(node) if node.exists() else "node", str(ROOT / "bench/oracle/tokens.ts")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, json_file, texts, ids, special):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(json_file, f"{folder}/tokenizer.json")
            order = {"folder": folder, "texts": texts, "ids": ids, "special": special}
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        return json.loads(line) if line else sys.exit("tokens.ts ended; see its words above")


def differences(python, want, got):
    """Indices of texts by what differs."""
    normalized = {i for i, token in python.get_added_tokens_decoder().items() if token.normalized}
    start, end = around(python)
    found = {what: [] for what in ("ids", "around", "shown", "hidden", "meant")}
    for what in want:
        for i, (ids, theirs, ours) in enumerate(zip(want["ids"], want[what], got[what])):
            if theirs == ours:
                continue
            meant = what in ("shown", "hidden") and not normalized.isdisjoint(ids)
            if what == "around":
                before = [] if ids[: len(start)] == start else start
                after = [] if ids[len(ids) - len(end) :] == end else end
                meant = ours == before + ids + after
            found["meant" if meant else what].append(i)
    return found


def around(python):
    """What a tokenizer puts before and after a text."""
    bare, full = python.encode("a", add_special_tokens=False).ids, python.encode("a").ids
    first = next(i for i in range(len(full) + 1) if full[i : i + len(bare)] == bare)
    return full[:first], full[first + len(bare) :]


def compare(options):
    texts = random_texts(options.seed, options.texts)
    sweeps = ["a {0}b{0} 1{0}2".format(chr(code)) for code in SWEEPS]
    ours = Ours()
    total = {"files": 0, "cases": 0, "with a difference": 0}
    print("| tokenizer | texts | ids | around | shown | hidden | meant |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        files = {str(path): path for path in options.files}
        for name in [] if options.no_kinds else KINDS:
            files[name] = pathlib.Path(folder, f"{name}.json")
            files[name].write_text(json.dumps(KINDS[name]))
        for name, path in files.items():
            real = name not in KINDS
            given = texts + (sweeps if real else sweeps[::9])
            special = real or name.startswith("p-")
            python = Tokenizer.from_file(str(path))
            want = oracle(python, given, special)
            got = ours.ask(path, given, want["ids"], special)
            total["files"] += 1
            total["cases"] += len(given)
            if "refused" in got:
                total["with a difference"] += 1
                print(f"| {name} | {len(given)} | refused: {got['refused']} |")
                continue
            found = differences(python, want, got)
            if any(found.values()) or real:
                counts = " | ".join(str(len(indices)) for indices in found.values())
                print(f"| {name} | {len(given)} | {counts} |", flush=True)
            del found["meant"]
            total["with a difference"] += any(found.values())
            for what, indices in found.items():
                for i in sorted(indices, key=lambda i: len(given[i]))[: options.show]:
                    print(f"{name}: {what} of {given[i]!r}\n  Python: {want[what][i]!r}\n  ours:   {got[what][i]!r}",
                          file=sys.stderr)
    print(f"\n{total}; kinds without a difference are not listed")


def fixture(options):
    base = bpe()
    rows = [{"note": f"Ids and texts by Hugging Face's tokenizers {__version__} (Python); a kind's tokenizer is `base` "
                     "with what it names.", "base": tokenizer()}]
    for name in FIXTURE_KINDS:
        file = KINDS[name]
        made = oracle(Tokenizer.from_str(json.dumps(file)), FIXTURE_TEXTS, False)
        row = {"name": name} | {key: file[key] for key in ("normalizer", "pre_tokenizer", "decoder") if file[key]}
        model = file["model"]
        if model["vocab"] == base["vocab"]:
            model = {key: value for key, value in model.items() if value != base[key]}
        if model:
            row["model"] = model
        if file["added_tokens"] != ADDED:
            row["added_tokens"] = file["added_tokens"]
        row["cases"] = [{"text": text, "ids": ids, "decoded": decoded}
                        for text, ids, decoded in zip(FIXTURE_TEXTS, made["ids"], made["shown"])]
        rows.append(row)
    options.out.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
    print(f"{options.out}: {len(FIXTURE_KINDS)} kinds, {len(FIXTURE_TEXTS)} texts each")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    add = commands.add_parser("compare", help="print differing counts")
    add.set_defaults(run=compare)
    add.add_argument("files", nargs="*", type=pathlib.Path, metavar="FILE", help="tokenizer.json files")
    add.add_argument("--no-kinds", action="store_true", help="the given files alone")
    add.add_argument("--seed", type=int, default=7)
    add.add_argument("--texts", type=int, default=3000, help="random texts a tokenizer (default: %(default)s)")
    add.add_argument("--show", type=int, default=0, help="differing texts to print for each tokenizer and column")
    add = commands.add_parser("fixture", help="write kinds.jsonl")
    add.set_defaults(run=fixture)
    add.add_argument("--out", type=pathlib.Path, default=ROOT / "test/tokenizer/kinds.jsonl")
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
