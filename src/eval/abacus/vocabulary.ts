// The tokens of the abacus model: every byte, and each word that a problem or its solution needs, as one token.

/** Containers. A token each in every form that occurs, so the list is part of the trained model. */
export const NAMES =
  "cup jar bag tin pot can tub bin pan keg vat jug pail crate sack chest tray bowl mug case rack drum basket bucket barrel bottle carton tank safe vase trunk cask flask hamper locker kettle wagon tote crock purse silo cart".split(
    " ",
  );

export const SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"];

/** Loose beads of one fact, a token each. */
export const LEAST_BEADS = 2;
export const MOST_BEADS = 19;

/** Ids 0 to 255 are the bytes, then come words; the texts of all others follow from their order here. */
const forms: string[] = [];

function block(texts: readonly string[]): number {
  forms.push(...texts);
  return 256 + forms.length - texts.length;
}

const holds = block(NAMES.map((name) => `A ${name} holds`));
const one = block(NAMES.map((name) => ` ${name}`));
const many = block(NAMES.map((name) => ` ${name}s`));
const derive = block(NAMES.map((name) => `${name}:`));
const value = block(NAMES.map((name) => `${name} =`));
const digit = block(Array.from({ length: 10 }, (_, i) => ` ${i}`));
const beads = block(Array.from({ length: MOST_BEADS - LEAST_BEADS + 1 }, (_, i) => ` ${LEAST_BEADS + i} beads`));
const word = (text: string): number => block([text]);

/** Ids by use. Those of containers and numbers are the first of a row: add the container's index, or the digit. */
export const TOKENS = {
  holds, // "A jug holds"
  one, // " jug"
  many, // " jugs"
  derive, // "jug:"
  value, // "jug ="
  leading: digit, // " 7", the first digit of a number
  digit: byte("0"), // "7", further digits
  beads: beads - LEAST_BEADS, // " 7 beads", from 2 to 19
  comma: byte(","),
  newline: byte("\n"),
  closing: byte("}"),
  and: word(" and"),
  stop: word(". "), // between facts
  end: word(".\n"), // of a quote
  ask: word("How many beads does a"),
  hold: word(" hold?"),
  plus: word(" +"),
  times: word(" *"),
  equals: word(" ="),
  not: word(" not"),
  wait: word(" wait"),
  box: word("\\boxed{"),
  user: word("user"),
  assistant: word("assistant"),
  endOfText: word(SPECIAL[0]),
  turn: word(SPECIAL[1]),
  endOfTurn: word(SPECIAL[2]),
  think: word(SPECIAL[3]),
  endOfThinking: word(SPECIAL[4]),
};

export const VOCABULARY_SIZE = 256 + forms.length;

/** The words' texts; the first has id 256, and the last ones are SPECIAL. */
export const WORDS: readonly string[] = forms;

function byte(character: string): number {
  return character.charCodeAt(0);
}

/** The text of ids as the generator writes them. Bytes beyond ASCII are not among them. */
export const textOf = (ids: Iterable<number>): string =>
  Array.from(ids, (id) => (id < 256 ? String.fromCharCode(id) : forms[id - 256])).join("");
