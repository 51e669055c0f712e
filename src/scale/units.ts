// Units of measure: one name for the spellings of each. Nothing is converted: 5 m and 500 cm stay apart.

/** Name: its other spellings. Plurals in -s come by themselves. */
const SPELLINGS: Record<string, string> = {
  mm: "millimeter millimetre",
  cm: "centimeter centimetre",
  m: "meter metre",
  km: "kilometer kilometre",
  in: "inch inches",
  ft: "foot feet",
  yd: "yard",
  mi: "mile",
  mg: "milligram",
  g: "gram",
  kg: "kilogram",
  oz: "ounce",
  lb: "",
  ml: "mL milliliter millilitre",
  L: "l liter litre",
  gal: "gallon",
  cup: "",
  pint: "",
  quart: "",
  tbsp: "tablespoon",
  tsp: "teaspoon",
  pound: "", // of mass or of money
  ton: "",
  watt: "",
  volt: "",
  joule: "",
  newton: "",
  s: "sec second",
  min: "minute",
  h: "hr hour",
  day: "",
  week: "",
  month: "",
  year: "yr",
  cent: "",
  "°C": "",
  "°F": "",
};

const NAMES = new Map<string, string>();
for (const [name, others] of Object.entries(SPELLINGS))
  for (const spelling of [name, ...others.split(" ").filter(Boolean)]) {
    NAMES.set(spelling, name);
    if (spelling.length > 1) NAMES.set(`${spelling}s`, name);
  }
const LONG_NAMES = new Map([
  ["mph", "mi/h"],
  ["kmh", "km/h"],
  ["kph", "km/h"],
]);

const ATOM = /(?:(square|sq\.?|cubic) )?(°? ?[A-Za-z]+)(?: ?\^ ?(?:\{ ?([23]) ?\}|([23]))|([²³]))?/y;
const PER = / ?(?:\/|per(?= )) ?/y;

/** A unit (`cm^2`, `square feet`, `km/h`, `miles per hour`) that begins at `at`, or null. */
export function readUnit(text: string, at: number): { unit: string; end: number } | null {
  const first = atom(text, at);
  if (!first) return null;
  let { unit, end } = first;
  PER.lastIndex = end;
  const per = PER.exec(text);
  const below = per && atom(text, PER.lastIndex);
  if (below) {
    unit += `/${below.unit}`;
    end = below.end;
  }
  return { unit, end };
}

function atom(text: string, at: number): { unit: string; end: number } | null {
  ATOM.lastIndex = at;
  const match = ATOM.exec(text);
  if (!match) return null;
  const [whole, power, name, braced, bare, raised] = match;
  const spelled = name.replace(/ /g, "");
  const lower = spelled.toLowerCase();
  const unit = LONG_NAMES.get(lower) ?? NAMES.get(spelled) ?? (spelled.length > 2 ? NAMES.get(lower) : undefined);
  if (!unit) return null;
  const exponent =
    braced ?? bare ?? (raised === "²" ? "2" : raised && "3") ?? (power && (power[0] === "s" ? "2" : "3"));
  return { unit: exponent ? `${unit}^${exponent}` : unit, end: at + whole.length };
}
