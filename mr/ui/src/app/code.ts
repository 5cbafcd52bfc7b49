/**
 * The one-time code of a sign-in, as an identity provider's way back or a recovery link brings it: `#code=…`.
 *
 * Taken off the address before anything else looks at it, since a fragment that stays would be kept in the
 * history. Imported first of all.
 */

function takeOffAddress(): string | null {
  const code = new URLSearchParams(window.location.hash.slice(1)).get('code');
  if (code !== null) {
    window.history.replaceState(null, '', window.location.pathname + window.location.search);
  }
  return code;
}

let pending = takeOffAddress();

// Pasted into a window that is at this address already: the browser loads nothing then.
window.addEventListener('hashchange', () => {
  if (new URLSearchParams(window.location.hash.slice(1)).has('code')) window.location.reload();
});

export function pendingCode(): string | null {
  return pending;
}

/** It works once, whatever becomes of it. */
export function spendCode(): void {
  pending = null;
}
