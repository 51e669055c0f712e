"""Answers graded by Python's math-verify, for bench/equality.ts. A line in is JSON of {gold, answer}; a line out is
`true` or `false`, or null where it took too long or failed.

    python3 -m venv VENV && VENV/bin/pip install math-verify==0.9.0
    VENV/bin/python bench/oracle/equality.py < PAIRS.jsonl
"""

import json
import logging
import re
import sys

from math_verify import parse, verify

logging.disable(logging.CRITICAL)
DELIMITED = re.compile(r"(?<!\\)\$|\\boxed|\\\(|\\\[")

for line in sys.stdin:
    pair = json.loads(line)
    try:
        # A name alone is no formula to it, so a gold is one wherever it is not delimited.
        gold = pair["gold"] if DELIMITED.search(pair["gold"]) else f"${pair['gold']}$"
        said = verify(parse(gold, parsing_timeout=10), parse(pair["answer"], parsing_timeout=10), timeout_seconds=10)
    except Exception:
        said = None
    print(json.dumps(said), flush=True)
