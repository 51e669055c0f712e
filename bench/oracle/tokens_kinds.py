"""Small tokenizer.json files, one for every kind of step that the format knows, for tokens.py: `KINDS` by name."""

import string

from tokenizers import pre_tokenizers


def token(number, content, special=True, **flags):
    return {"id": number, "content": content, "special": special, "normalized": False, "lstrip": False, "rstrip": False,
            "single_word": False} | flags


ADDED = [token(0, "<unk>"), token(1, "<s>")]
MERGES = ("h e", "l l", "he ll", "hell o", "▁ hell", "▁ hello", "t h", "th e", "1 2", "12 3", "Ġ 1", "Ġ Ġ", "▁ ▁",
          "o o", "f oo", "Ġ h", "▁ 1", "d o", "do n", "! ?", ". .", ".. .", "a b", "Â ½", "Â ²", "Ġ Â½", "x Â²", "Ù £",
          "Ġ Ù£")
ALPHABET = dict.fromkeys([*sorted(pre_tokenizers.ByteLevel.alphabet()), *"▁½²①é한국日本"])
WORDS = ["<unk>", "<s>", *(f"<0x{i:02X}>" for i in range(256)), *ALPHABET, *(pair.replace(" ", "") for pair in MERGES)]


def numbered(words):
    return {word: i for i, word in enumerate(dict.fromkeys(words))}


def bpe(words=WORDS, merges=[pair.split(" ") for pair in MERGES], **options):
    return {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": numbered(words), "merges": merges} | options


def tokenizer(pre=None, normalizer=None, decoder=None, post=None, model=None, added=ADDED):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": normalizer,
            "pre_tokenizer": pre, "post_processor": post, "decoder": decoder, "model": model or bpe()}


def step(kind, **options):
    return {"type": kind} | options


def several(name):
    return lambda *steps: step("Sequence", **{name: list(steps)})


sequence, normal, decode, processes = map(several, ("pretokenizers", "normalizers", "decoders", "processors"))
BYTES = step("ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=False)
GPT2 = BYTES | {"use_regex": True}


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return step("Split", pattern={kind: pattern}, behavior=behavior, invert=invert)


def pieces(*patterns):
    """Split by each pattern, then bytes."""
    return tokenizer(sequence(*map(split, patterns), BYTES))


def digits(individual, then):
    return tokenizer(sequence(step("Digits", individual_digits=individual), then))


ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT4 = (ENDINGS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + ENDINGS + "?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + ENDINGS + "?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = (r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+",
            r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[一-龥ࠀ-一가-퟿]+")
DEEPSEEK_V3 = (r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
               r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
               r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

KINDS = {
    "digits-ind": digits(True, BYTES),
    "digits-con": digits(False, BYTES),
    "digits-ind-bl": digits(True, GPT2),
    "split-poss": pieces(r"\p{N}{1,3}+|\s++|[^\s\p{N}]++"),
    "split-han": pieces(r"[\p{Han}]+|[\p{L}]"),
    "split-class": pieces(r"[\p{L}&&[^\p{Han}]]+|\p{Han}+|\s+"),
    "split-w": pieces(r"\w+|[^\w\s]+"),
    "split-b": pieces(r"\b"),
    "split-s": pieces(r"\s+"),
    "split-S": pieces(r"\S+"),
    "split-ci": pieces("(?i:the|hello|k|s)"),
    "split-o200k": pieces(O200K),
    "split-o200k-removed-inv": tokenizer(sequence(split(O200K, "Removed", True), BYTES)),
    "deepseek-llm": tokenizer(sequence(*map(split, DEEPSEEK), step("Digits", individual_digits=True), BYTES)),
    "deepseek-v3": pieces(*DEEPSEEK_V3),
    "bl": tokenizer(GPT2),
    "bl-prefix": tokenizer(GPT2 | {"add_prefix_space": True}),
    "bl-none": tokenizer(BYTES),
    "chardelim": tokenizer(step("CharDelimiterSplit", delimiter="-")),
    "fixed": tokenizer(sequence(step("FixedLength", length=5), BYTES)),
}
for way in ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
    KINDS |= {
        f"split-g4-{way}": tokenizer(sequence(split(GPT4, way), BYTES)),
        f"split-g4-inv-{way}": tokenizer(sequence(split(GPT4, way, True), BYTES)),
        f"split-d-{way}": tokenizer(sequence(split(r"\d", way), BYTES)),
        f"split-lit-{way}": tokenizer(sequence(split(" ", way, kind="String"), BYTES)),
        f"split-lit-inv-{way}": tokenizer(sequence(split(" ", way, True, "String"), BYTES)),
        f"punct-{way}": tokenizer(sequence(step("Punctuation", behavior=way), BYTES)),
    }
for scheme in ("always", "never", "first"):
    for apart in (True, False):
        metaspace = step("Metaspace", replacement="▁", prepend_scheme=scheme, split=apart)
        KINDS[f"meta-{scheme}-{apart}"] = tokenizer(metaspace, decoder=metaspace)
for kind in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts"):
    KINDS |= {kind: tokenizer(step(kind)), f"{kind}-bl": tokenizer(sequence(step(kind), BYTES))}

BERT = step("BertNormalizer", clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
UNDERLINE = step("Replace", pattern={"String": " "}, content="▁")
for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"):
    KINDS[f"n-{kind}"] = tokenizer(BYTES, step(kind))
KINDS |= {
    "n-nfd-strip": tokenizer(BYTES, normal(step("NFD"), step("StripAccents"), step("Lowercase"))),
    "n-Strip": tokenizer(BYTES, step("Strip", strip_left=True, strip_right=True)),
    "n-StripL": tokenizer(BYTES, step("Strip", strip_left=True, strip_right=False)),
    "n-Replace": tokenizer(BYTES, UNDERLINE),
    "n-ReplaceRx": tokenizer(BYTES, step("Replace", pattern={"Regex": r"\s{2,}|\d"}, content=" $1")),
    "n-Prepend": tokenizer(BYTES, step("Prepend", prepend="▁")),
    "n-Bert": tokenizer(step("BertPreTokenizer"), BERT),
    "n-ByteLevel": tokenizer(None, step("ByteLevel")),
}

LLAMA2 = normal(step("Prepend", prepend="▁"), UNDERLINE)
BLANKS = step("Replace", pattern={"String": "▁"}, content=" ")
LLAMA2_TEXT = decode(BLANKS, step("ByteFallback"), step("Fuse"), step("Strip", content=" ", start=1, stop=0))
GEMMA_TEXT = decode(BLANKS, step("ByteFallback"), step("Fuse"))
FALLBACK = bpe(byte_fallback=True, fuse_unk=True)
KINDS |= {
    "llama2": tokenizer(None, LLAMA2, LLAMA2_TEXT, model=FALLBACK),
    "llama2-nofb": tokenizer(None, LLAMA2, LLAMA2_TEXT, model=bpe(fuse_unk=True)),
    "llama2-nofuse": tokenizer(None, LLAMA2, LLAMA2_TEXT),
    "llama2-nounk": tokenizer(None, LLAMA2, LLAMA2_TEXT, model=bpe(unk_token=None)),
    "gemma": tokenizer(split(" ", "MergedWithPrevious", kind="String"), UNDERLINE, GEMMA_TEXT, model=FALLBACK),
    "ignore-merges": tokenizer(sequence(split(GPT4), BYTES), model=bpe(ignore_merges=True)),
}

for flag in ("lstrip", "rstrip", "single_word", "normalized"):
    KINDS |= {
        f"add-{flag}": tokenizer(GPT2, added=[*ADDED, token(9000, "<mask>", **{flag: True})]),
        f"add-ns-{flag}": tokenizer(GPT2, added=[*ADDED, token(9000, "<mask>", False, **{flag: True})]),
    }
LOWER = [token(9000, "<MASK>", False, normalized=True), token(9001, "hello", False, normalized=True, single_word=True),
         token(9002, "<|im", False)]
KINDS |= {
    "add-norm-lower": tokenizer(BYTES, step("Lowercase"), added=ADDED + LOWER),
    "add-llama2-norm": tokenizer(None, LLAMA2, LLAMA2_TEXT, model=FALLBACK,
                                 added=[*ADDED, token(9000, "<mask>", normalized=True)]),
    "add-blanks": tokenizer(sequence(split(GPT4), BYTES),
                            added=[*ADDED, token(9000, "  ", False, normalized=True), token(9001, "<think>", False)]),
}

LETTERS = string.ascii_letters
SCORES = [["<unk>", 0.0], ["<s>", 0.0], ["▁", -2.0], ["▁hello", -4.0], ["he", -3.5], ["llo", -3.6], ["▁the", -3.0],
          ["日本", -5.0], ["½", -6.0], ["1", -4], ["12", -4.5], ["👍", -7]]
SCORES += [[letter, -5.0 - i * 0.01] for i, letter in enumerate(LETTERS)]
BYTE_SCORES = [[f"<0x{i:02X}>", -20.0] for i in range(256)]
FIRST = step("Metaspace", replacement="▁", prepend_scheme="first", split=False)
ALWAYS = step("Metaspace", replacement="▁", prepend_scheme="always", split=True)
PIECES = ["[UNK]", *(mark + c for c in string.ascii_lowercase + string.digits + "!?.,-½²日本é" for mark in ("", "##")),
          "hello", "##llo", "the", "##a"]
PREFIXED = ["<unk>", *(mark + c for c in LETTERS for mark in ("", "@@")), "he", "@@ll", "hell"]
SUFFIXED = ["<unk>", *(c + mark for c in LETTERS for mark in ("", "</w>")), "he", "lo</w>"]


def old_bpe(words, merges, prefix=None, suffix=None):
    model = bpe(words, merges, continuing_subword_prefix=prefix, end_of_word_suffix=suffix)
    del model["ignore_merges"]
    return model


KINDS |= {
    "unigram": tokenizer(ALWAYS, normal(step("NFKC")), ALWAYS,
                         model={"type": "Unigram", "unk_id": 0, "vocab": SCORES, "byte_fallback": False}),
    "unigram-bf": tokenizer(FIRST, None, LLAMA2_TEXT, model={"type": "Unigram", "unk_id": 0,
                                                             "vocab": SCORES + BYTE_SCORES, "byte_fallback": True}),
    "wordpiece": tokenizer(step("BertPreTokenizer"), BERT, step("WordPiece", prefix="##", cleanup=True), added=[],
                           model={"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                                  "max_input_chars_per_word": 100, "vocab": numbered(PIECES)}),
    "wordlevel": tokenizer(step("Whitespace"), added=[], model={
        "type": "WordLevel", "vocab": numbered(["<unk>", "hello", "the", "!"]), "unk_token": "<unk>"}),
    "bpe-prefix": tokenizer(step("Whitespace"), added=[],
                            model=old_bpe(PREFIXED, ["h @@e", "@@l @@l", "he @@ll"], prefix="@@")),
    "bpe-suffix": tokenizer(step("Whitespace"), decoder=step("BPEDecoder", suffix="</w>"), added=[],
                            model=old_bpe(SUFFIXED, ["h e", "l o</w>"], suffix="</w>")),
}

TEMPLATE = step(
    "TemplateProcessing",
    single=[{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "<unk>", "type_id": 0}}],
    pair=[{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    special_tokens={name: {"id": name, "ids": [i], "tokens": [name]} for name, i in (("<s>", 1), ("<unk>", 0))})
AROUND = {"sep": ["<unk>", 0], "cls": ["<s>", 1]}
OFFSETS = step("ByteLevel", add_prefix_space=True, trim_offsets=False, use_regex=True)
KINDS |= {
    "p-template": tokenizer(GPT2, post=TEMPLATE),
    "p-seq": tokenizer(GPT2, post=processes(OFFSETS, TEMPLATE)),
    "p-roberta": tokenizer(GPT2, post=step("RobertaProcessing", **AROUND, trim_offsets=True, add_prefix_space=False)),
    "p-bert": tokenizer(GPT2, post=step("BertProcessing", **AROUND)),
}
