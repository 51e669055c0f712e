// Common English words for made problems: keys of needles, and lists to count in.

import { badArgument } from "../../../base/errors.ts";
import { type Seeded, shuffled } from "../../../base/rng.ts";

const ADJECTIVES =
  "able abrupt absent acidic active actual adult agile alert alive ample ancient angry annual ardent arid astute aware awful awkward bald bare basic bent big bitter black bland blank bleak blind blond blue blunt bold brave brief bright brisk broad broken bronze brown bulky busy calm candid careful casual certain cheap chief chilly civil clean clear clever close cloudy clumsy coarse cold common compact complex cool coral costly covert crazy crisp cruel cubic curious curly curved daily damp dark dear deep dense dim direct distant divine double dry dull dusty eager early easy elder empty equal exact extra faint fair false famous fancy fast fatal fierce final fine firm fit flat fluid fond formal frail frank free fresh full funny gentle giant glad global glossy golden good grand grave gray great green grim gross happy hard harsh hasty heavy hidden high hollow honest huge humble hungry icy ideal idle inner jolly jumpy keen kind known large late lazy lean legal light little local lonely long loose loud low loyal lucky mad main major married mellow mental merry mild minor mixed modern moist narrow native neat new nice noble noisy normal novel odd old open outer oval pale patient perfect plain polite poor precise pretty prime private proper proud public pure purple quick quiet rapid rare raw ready real red remote rich rigid ripe rough round royal rude rural sad safe salty scarce secret severe shallow sharp shiny short shy silent silver simple single slim slow small smart smooth sober social soft solid sour spare special square stable steady steep stiff strange strict strong sturdy subtle sudden sunny super sweet swift tall tame tender thick thin tidy tight tiny tired tough true urban usual vague vast violet vital vivid warm wary weak weekly weird wet white whole wide wild wise witty wooden worn yellow young".split(
    " ",
  );

const NOUNS =
  "acorn actor airport album alley anchor animal ankle answer apple apron arch arm arrow artist atlas attic author autumn badge bakery ball banana bank barn basin bath battle beach beam bean bear beard bed bee bell belt bench berry bike bird blanket block boat body bone book boot border bottle boulder bow bowl box branch bread brick bridge broom brother brush bubble bucket bulb bus butter button cabin cable cactus cake camel camera canal candle canoe canyon captain car card carpet carrot cart castle cat cave cellar chain chair chalk chapel cheese cherry chest child church circle citizen city cliff clock cloth cloud clover clown coach coast coat coin collar comet compass cook corn corner cottage cotton couch cousin cow crab cradle crane crayon creek crown cup curtain daisy dancer daughter dawn deer desert desk diamond dinner doctor dog doll dolphin donkey door dove dragon drawer dream dress drum duck eagle ear earth egg elbow engine envelope evening eye face factory family fan farm farmer father feather fence field finger fire fish flag flame flower flute foot forest fork fountain fox friend frog fruit garden garlic gate ghost gift giraffe glass glove goat goose grape grass guest guitar hall hammer hand harbor harp hat hawk heart hedge helmet hill hive honey hood hook horn horse hotel house hunter island ivory jacket jar jaw jewel judge juice jungle kettle key king kitchen kite kitten knee knife ladder lady lake lamb lamp lantern lawn lawyer leaf leg lemon letter library lily lion lip lizard lobby lock log lunch magnet mantle maple marble market mask meadow meal medal melon merchant mill mirror monkey moon morning moss mother motor mountain mouse mouth museum music nail napkin neck needle nephew nest net night nose nurse oak ocean office olive onion orange orchard organ otter oven owl paddle page paint palace palm panda paper parade parent park parrot path pea peach peanut pear pebble pen pencil penguin pepper piano picture pig pigeon pillow pilot pine pirate planet plate plum pocket poem poet pond pony potato prince prison puddle pumpkin puppet puppy queen quilt rabbit raccoon radio rail rainbow raven reader ribbon rice ring river road robin robot rock roof room rope rose ruby sail sailor salad sand scarf school scissors sea seal seed shadow shark sheep shelf shell ship shirt shoe shore shoulder shovel sister skirt sky sled snail snake snow soap sock sofa soldier song soup spider spoon spring squirrel star station statue stone storm story stove straw stream street student sugar summer sun swan sweater table tail tailor teacher temple tent theater thumb tiger toad toast tomato tooth torch tower town toy train tray tree truck trumpet trunk tulip tunnel turkey turtle uncle valley vase village violin voice wagon wall wallet walnut water wave whale wheat wheel whistle wife window wing winter wolf wood wool worker yard zebra zipper".split(
    " ",
  );

/** "silent-otter": one of more than 100,000. */
export const compound = (rng: Seeded): string =>
  `${ADJECTIVES[rng.below(ADJECTIVES.length)]}-${NOUNS[rng.below(NOUNS.length)]}`;

/** Single words come first, compounds where these are used up. */
const SINGLE = [...new Set([...ADJECTIVES, ...NOUNS])];
const MOST = (ADJECTIVES.length * NOUNS.length) >> 1;

/** `count` different words. Throws `bad-argument` for more than there are. */
export function differentWords(rng: Seeded, count: number): string[] {
  if (count <= SINGLE.length) return shuffled(rng, SINGLE).slice(0, count);
  if (count > MOST) throw badArgument(`expected at most ${MOST} different words, got ${count}`);
  const words = new Set(SINGLE);
  while (words.size < count) words.add(compound(rng));
  return shuffled(rng, words);
}
