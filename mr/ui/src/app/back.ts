/** Where somebody was before they had to sign in; kept for the way through a provider. */

const NAME = 'burgee-back';

export function keepBack(path: string): void {
  try {
    sessionStorage.setItem(NAME, path);
  } catch {
    // Without storage the way through a provider ends at the start page.
  }
}

export function forgetBack(): void {
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // Nothing was kept then.
  }
}

/** The path to go to: never another site's. */
export function backFrom(given: string | undefined): string {
  const wanted = given ?? kept();
  return wanted !== null && isOwnPath(wanted) ? wanted : '/';
}

export function isOwnPath(path: string): boolean {
  return /^\/(?![/\\])/.test(path) && !path.startsWith('/login');
}

function kept(): string | null {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}
