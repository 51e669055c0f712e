/** "1.23 GiB" and the like. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value < 100 ? value.toPrecision(3) : value.toFixed(0)} ${units[unit]}`;
}
