/** Everything together: theme, texts, data, router. */
import { MantineProvider, MantineThemeProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useMemo } from 'react';
import { Problem } from '@/api/problem';
import { currentSession, onSession } from '@/api/session';
import { useTexts } from '@/texts';
import { LanguageProvider } from './language';
import { makeRouter } from './router';
import { colorSchemes, theme } from './theme';

const router = makeRouter(new URL(document.baseURI).pathname);

const queries = new QueryClient({
  defaultOptions: {
    // A call without a network fails and says so, rather than waiting in silence.
    mutations: { networkMode: 'always' },
    queries: {
      networkMode: 'always',
      staleTime: 10_000,
      // What was refused is refused again; a server that restarts is worth waiting for.
      retry: (failures, error) => !(error instanceof Problem && error.status < 500) && failures < 3,
      retryDelay: (failures) => Math.min(500 * 2 ** failures, 4000),
    },
  },
});

// What one person was shown is not for the next one in the same window.
let shownTo = currentSession().person?.id?.id;
onSession(() => {
  const now = currentSession().person?.id?.id;
  if (now !== shownTo) void queries.resetQueries();
  shownTo = now;
});

export function App() {
  return (
    <MantineProvider theme={theme} colorSchemeManager={colorSchemes} defaultColorScheme="auto">
      <LanguageProvider>
        <QueryClientProvider client={queries}>
          <Toasts />
          <RouterProvider router={router} />
        </QueryClientProvider>
      </LanguageProvider>
    </MantineProvider>
  );
}

/** Their close button is a picture: whoever hears it needs a word. */
function Toasts() {
  const { close } = useTexts().common;
  const named = useMemo(
    () => ({ components: { Notification: { defaultProps: { closeButtonProps: { 'aria-label': close } } } } }),
    [close],
  );
  return (
    <MantineThemeProvider inherit theme={named}>
      <Notifications position="bottom-center" />
    </MantineThemeProvider>
  );
}
