// Turns `light-dark()` into rules by Mantine's colour scheme, which the browser's own function does not know.
export default { plugins: { 'postcss-preset-mantine': {} } };
