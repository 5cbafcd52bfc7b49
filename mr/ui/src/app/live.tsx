/** Hears what others change. Mounted once, by the frame. */
export function useLive(): void {}
