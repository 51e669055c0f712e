// Chats that a model writes with itself, as lines for `hyperthink retrofit --data`: what it is to keep is its own kind of
// text. It continues an opened user turn with a question, then answers it (Magpie, arXiv 2406.08464).
//   node examples/self-chats.ts MODEL COUNT > chats.jsonl
import pMap from "p-map";
import { generate, load, type Session } from "../src/index.ts";

// models/abacus learned no questions, only solutions.
const [model = "models/beads", many = "4"] = process.argv.slice(2);
await using session = await load({ model, chains: 32, context: 1024 });
const empty = session.chat.render([{ role: "user", content: "\u0001" }], { addGenerationPrompt: false });
const opening = empty.slice(0, empty.indexOf("\u0001")); // up to where a user's words begin

async function chat(session: Session, seed: number): Promise<void> {
  const sampling = { temperature: 1, topP: 0.95, seed };
  const asked = await generate(session, { raw: opening }, { ...sampling, maxTokens: 128 }).result;
  const question = asked.text.trim();
  if (asked.finish !== "stop" || question === "") return; // no whole question
  const { text, finish } = await generate(session, question, { ...sampling, temperature: 0.8, maxTokens: 800 }).result;
  if (finish !== "stop") return;
  const messages = [
    { role: "user", content: question },
    { role: "assistant", content: text.trim() },
  ];
  console.log(JSON.stringify({ messages }));
}

await pMap(Array(Number(many)).keys(), (seed) => chat(session, seed), { concurrency: 32 });
