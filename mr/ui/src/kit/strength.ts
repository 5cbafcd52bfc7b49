/** How strong a password looks, from 0 to 4: by length and variety, not by a dictionary. Pure. */
export function strength(password: string): 0 | 1 | 2 | 3 | 4 {
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((kind) => kind.test(password)).length;
  const distinct = new Set(password).size;
  const points = Math.min(password.length, distinct * 2) + (kinds - 1) * 2;
  if (points < 8) return 0;
  if (points < 11) return 1;
  if (points < 14) return 2;
  return points < 18 ? 3 : 4;
}
