/** The command as it was given, for a shell. */
export const commandLine = (): string =>
  ["hyperthink", ...process.argv.slice(2)]
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
