// The files beside the abacus model's weights that say how it is spoken to: Hugging Face's formats.

import { ABACUS_CONTEXT } from "./example.ts";
import { SPECIAL, TOKENS, textOf, VOCABULARY_SIZE, WORDS } from "./vocabulary.ts";

/** Cuts a text so that each word of the vocabulary is one piece, whatever stands around it. */
const PIECES = [
  "A [a-z]+ holds",
  "How many beads does a",
  " hold\\?",
  " (?:[2-9]|1[0-9]) beads",
  "[a-z]+(?::| =)",
  "\\\\boxed\\{",
  "\\.[ \\n]",
  " ?[A-Za-z]+",
  " ?[0-9]",
  " [+*=]",
];

/** Contents of files by name. */
export function tokenizerFiles(): Record<string, object> {
  const words = WORDS.slice(0, -SPECIAL.length);
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    "tokenizer.json": {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: SPECIAL.map((content, i) => ({
        id: VOCABULARY_SIZE - SPECIAL.length + i,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: null,
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: PIECES.join("|") }, behavior: "Isolated", invert: false },
          byteLevel,
        ],
      },
      post_processor: null,
      decoder: byteLevel,
      // A piece that is a word of the vocabulary is its token. Any other falls to its bytes, as there are no merges.
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: true,
        vocab: Object.fromEntries([...BYTES, ...words.map(spelled)].map((token, id) => [token, id])),
        merges: [],
      },
    },
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      eos_token: SPECIAL[2],
      pad_token: SPECIAL[0],
      model_max_length: ABACUS_CONTEXT,
      clean_up_tokenization_spaces: false,
      chat_template:
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}" +
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}",
    },
    "generation_config.json": {
      do_sample: true,
      temperature: 1,
      top_k: 0,
      top_p: 1,
      eos_token_id: TOKENS.endOfTurn,
      pad_token_id: TOKENS.endOfText,
      thinking_nudge: textOf([TOKENS.wait, TOKENS.newline]),
    },
  };
}

/** The characters that stand for bytes in byte-level vocabularies: printable Latin-1 itself, else from U+0100 on. */
const BYTES = (() => {
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const own = String.fromCharCode(byte);
    return /[!-~¡-¬®-ÿ]/.test(own) ? own : String.fromCharCode(256 + others++);
  });
})();

const spelled = (text: string): string => [...text].map((character) => BYTES[character.charCodeAt(0)]).join("");
