/** Colours and defaults. Contrast of text and of controls is at least 4.5:1 in both schemes. */
import {
  Alert,
  createTheme,
  DEFAULT_THEME,
  Drawer,
  localStorageColorSchemeManager,
  type MantineColorsTuple,
  Menu,
  Modal,
  Tooltip,
} from '@mantine/core';

const sea: MantineColorsTuple = [
  '#e6f7fa', '#d0ecf2', '#a1d8e4', '#6fc3d6', '#46b0c9', '#2ba3c0', '#0d7d98', '#0b7285', '#0a6375', '#06505f',
];

// Darker than the library's from the middle on: red words on white must be read as well.
const red: MantineColorsTuple = [
  '#fff5f5', '#ffe3e3', '#ffc9c9', '#ffa8a8', '#ff8787', '#f25555', '#d12c2c', '#c92a2a', '#b02525', '#961f1f',
];

/** The library's colour with a last shade that can be read on its own tint, as in badges. */
function readable(name: string, last: string): MantineColorsTuple {
  const shades = [...(DEFAULT_THEME.colors[name] ?? sea)];
  return [...shades.slice(0, 9), last] as unknown as MantineColorsTuple;
}

/** The library's `<header>` of a dialog would be announced as the banner of the whole page. */
const PLAIN_HEADER = { header: { role: 'presentation' } };

export const theme = createTheme({
  primaryColor: 'sea',
  primaryShade: { light: 7, dark: 6 },
  colors: {
    sea,
    red,
    teal: readable('teal', '#056146'),
    orange: readable('orange', '#a1350a'),
    yellow: readable('yellow', '#855000'),
    green: readable('green', '#1f6b2f'),
    lime: readable('lime', '#466e0c'),
  },
  autoContrast: true,
  // Above it white words would have a contrast below 4.5.
  luminanceThreshold: 0.179,
  defaultRadius: 'sm',
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  headings: { fontWeight: '650' },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 300, withArrow: true, events: { hover: true, focus: true, touch: false } } }),
    Modal: Modal.extend({ defaultProps: { centered: true, attributes: PLAIN_HEADER }, styles: { title: { fontWeight: 650, fontSize: 'var(--mantine-font-size-lg)' } } }),
    Drawer: Drawer.extend({ defaultProps: { attributes: PLAIN_HEADER } }),
    // The library's placeholder is no child that a menu may have.
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false } }),
    Alert: Alert.extend({ defaultProps: { radius: 'sm' } }),
  },
});

/** The same name as in `public/scheme.js`, which sets the scheme before the first paint. */
export const colorSchemes = localStorageColorSchemeManager({ key: 'burgee-color-scheme' });
