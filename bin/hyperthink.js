#!/usr/bin/env node
// Older versions of Node cannot even read the program: this file, which they can, says so.
if (Number(process.versions.node.split(".")[0]) < 24) {
  console.error(`error: hyperthink needs Node 24 or later, this is ${process.version}; in a project, \`npm i node@24\` brings one for npx`);
  process.exitCode = 1;
} else import("../dist/cli/main.js");
