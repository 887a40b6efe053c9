import { closest, distance } from 'fastest-levenshtein';

/** The second half of "Unknown …: ": the nearest of `names` when `wrong` looks like a slip, else `otherwise`, where all names are listed. */
export function didYouMean(wrong: string, names: readonly string[], otherwise = 'sluice --help lists all settings.'): string {
  const nearest = closest(wrong, names);
  const isSlip = distance(wrong.toLowerCase(), nearest.toLowerCase()) <= Math.max(2, Math.floor(nearest.length / 4));
  return isSlip ? `did you mean ${nearest}?` : otherwise;
}
