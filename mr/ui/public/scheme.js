// Before the first paint: light or dark, as chosen here or else as the system says. No module, so it blocks.
(function () {
  var chosen = null;
  try {
    chosen = window.localStorage.getItem('burgee-color-scheme');
  } catch (refused) {
    // Storage may be forbidden; the system's choice is a good one.
  }
  if (chosen !== 'light' && chosen !== 'dark') {
    chosen = window.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  }
  document.documentElement.setAttribute('data-mantine-color-scheme', chosen);
})();
