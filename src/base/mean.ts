export const mean = (numbers: readonly number[] | Float64Array): number => {
  let sum = 0;
  for (const x of numbers) sum += x;
  return sum / numbers.length;
};
