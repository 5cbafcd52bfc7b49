/** Jump to anything by typing. Mounted once, by the frame. */
export function Palette() {
  return null;
}

export function openPalette(): void {}
