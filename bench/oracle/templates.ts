// Renders templates for templates.py: a line in is JSON of { template, variables, now }, a line out of { want } or
// { error }. Without arguments through src/model/template; with NAME DIR through a library in DIR/node_modules.
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { exactJson } from "../../src/model/template/exact.ts";
import { strftime } from "../../src/model/template/strftime.ts";
import { Template } from "../../src/model/template/template.ts";

type Render = (template: string, variables: Record<string, unknown>, now: Date) => string;

const raise = (message: string) => {
  throw new Error(message);
};

/** Each as its documentation sets it up for chat templates. */
const candidates: Record<string, (load: NodeJS.Require) => Render> = {
  "@huggingface/jinja": (load) => {
    const { Template: Jinja } = load("@huggingface/jinja");
    // It brings a strftime_now of its own, which only a template can replace.
    const dated = (template: string) =>
      template.includes("strftime_now") ? `{% set strftime_now = dated %}${template}` : template;
    return (template, variables, now) =>
      new Jinja(dated(template)).render({ dated: (format: string) => strftime(now, format), ...variables });
  },
  "minijinja-js": (load) => {
    const { Environment } = load("minijinja-js");
    return (template, variables, now) => {
      const environment = new Environment();
      environment.trimBlocks = true;
      environment.lstripBlocks = true;
      environment.fuel = 1_000_000;
      environment.enablePyCompat();
      environment.addGlobal("strftime_now", (format: string) => strftime(now, format));
      environment.addGlobal("raise_exception", raise);
      return environment.renderStr(template, variables);
    };
  },
  nunjucks: (load) => {
    const nunjucks = load("nunjucks");
    nunjucks.installJinjaCompat();
    return (template, variables, now) => {
      const environment = new nunjucks.Environment(null, { autoescape: false, trimBlocks: true, lstripBlocks: true });
      environment.addGlobal("strftime_now", (format: string) => strftime(now, format));
      environment.addGlobal("raise_exception", raise);
      environment.addFilter("tojson", (value: unknown, indent?: number) => JSON.stringify(value, null, indent));
      return environment.renderString(template, variables);
    };
  },
};

const [name, folder] = process.argv.slice(2);
const ours: Render = (template, variables, now) => new Template(template).render(variables, now);
const render = name ? candidates[name](createRequire(resolve(folder, "index.js"))) : ours;
const parse = name ? JSON.parse : exactJson;

for await (const line of createInterface({ input: process.stdin })) {
  let out: { want: string } | { error: string };
  try {
    const { template, variables, now } = parse(line);
    out = { want: render(template, variables, new Date(now)) };
  } catch (error) {
    out = { error: error instanceof Error ? `${error.constructor.name}: ${error.message}` : String(error) };
  }
  console.log(JSON.stringify(out));
}
