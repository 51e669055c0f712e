// Words beside a number that make another value of it, in the languages that chains answer in besides English. They
// only ever make running text abstain, so a word too many costs a vote and a word too few may merge two answers.

const before = {
  denied: "nicht|kein|keine|no|non|não|nao|ne|pas|niet|nie|bukan|tidak|không(?: phải)?|не|нет|ليس|ليست|ไม่ใช่|değil|si",
  signed: "menos|moins|meno|minus|min|eksi|минус|negativo|négatif|âm|ลบ|マイナス|負|负|سالب|ऋण|ঋণ",
  bounded:
    "mindestens|höchstens|über|unter|mehr als|weniger als|al menos|como máximo|más de|menos de|au moins|au plus|plus de|" +
    "moins de|almeno|più di|meno di|pelo menos|mais de|больше|меньше|более|менее|не менее|не более",
  parted:
    "(?:hälfte|drittel|viertel|doppelte) von|(?:mitad|tercio|cuarto|doble|triple|metade|dobro) de|(?:moitié|tiers|quart|double) de|" +
    "(?:metà|doppio) di|половин[аыу](?: от)?|треть(?: от)?|четверть(?: от)?",
};
const after = {
  scaled:
    "mil|mille|mila|mill?(?:i?on|i[óõ]|iar)\\p{L}*|milh\\p{L}+|mily(?:on|ar)|tausend|dutzend|docenas?|douzaines?|dozzin\\p{L}|dúzias?|bin|" +
    "тыс\\p{L}*|млн|млрд|миллион\\p{L}*|миллиард\\p{L}*|дюжин\\p{L}*|juta|ribu|triệu|nghìn|ngàn|tỷ|tỉ|elfu|laki|" +
    "लाख|करोड़|हजार|हज़ार|লাখ|কোটি|হাজার|مليون|ملايين|مليار|ألف|آلاف|ล้าน|แสน|หมื่น|พัน|వేలు|లక్షలు",
  halved: "y medi[oa]|et demie?|e mezz[oa]|e mei[oa]|einhalb|с половиной|rưỡi|setengah|buçuk",
  denied: "değil|नहीं|নয়|না|కాదు|nicht|niet",
  bounded: "oder mehr|o más|ou plus|или больше|ou mais",
};

/** Takes back what was said. */
export const FOREIGN_CORRECTION =
  "等等|等一下|不[对對]|[错錯][了误誤]|更正|待って|間違|訂正|잠깐|정정|틀렸|(?<!\\p{L})(?:espera|perdón|me equivoqué|attendez|pardon|" +
  "warte|moment mal|aspetta|desculpe|подожди|стоп|ошибка|исправлен)(?!\\p{L})";

/** Ends the text before a number; up to two more words may stand between a denial and the number. */
export const FOREIGN_BEFORE = new RegExp(
  String.raw`(?<!\p{L})(?:(?:${before.denied})(?: \p{L}{1,12}){0,2}|${before.signed}|${before.bounded}|${before.parted})[\s$¤]*$|(?:ไม่ใช่|至[少多]|最多|[超越]过|[大小多少高低]于|不[到足]|マイナス|負|负)\s*$`,
  "iu",
);
/** Begins the text after it. Thai writes on without a blank. */
export const FOREIGN_AFTER = new RegExp(
  String.raw`^[\s-]*(?:(?:${Object.values(after).join("|")})(?![\p{L}\p{M}])|ล้าน|แสน|หมื่น|พัน)`,
  "iu",
);
