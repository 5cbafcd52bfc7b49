/** Small choices that this browser remembers. Works without storage, only shorter. Never for secrets. */

const fallback = new Map<string, string>();

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`burgee-${name}`);
  } catch {
    return fallback.get(name) ?? null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`burgee-${name}`, value);
  } catch {
    fallback.set(name, value);
  }
}
