/** The frame around every screen of a session: top bar, menu, and what has to be known before a screen is. */
import { AppShell, Box } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Outlet, useLocation } from '@tanstack/react-router';
import { useEffect } from 'react';
import { Failure } from '@/kit/Failure';
import { useTexts } from '@/texts';
import { LostSession } from './LostSession';
import { useLive } from './live';
import { Menu } from './Menu';
import { NoPortfolios } from './NoPortfolios';
import { Redirect } from './navigate';
import { ServerUnreachable, Starting } from './notices';
import { Palette } from './palette';
import { PlaceProvider, usePlace } from './place';
import { QuickSetup } from './QuickSetup';
import { Shortcuts } from './Shortcuts';
import { MeContext, useMeQuery, useSession } from './session';
import { TopBar } from './TopBar';
import { NewerVersion } from './NewerVersion';

export function Shell() {
  const { state, left } = useSession();
  const { pathname, searchStr } = useLocation();
  const me = useMeQuery();
  if (state === 'starting') return <Starting />;
  if (state === 'unreachable') return <ServerUnreachable />;
  if (state === 'setup') return <Redirect to="/setup" />;
  if (state === 'out' || state === 'reset') {
    const back = left || pathname === '/' ? undefined : `${pathname}${searchStr}`;
    return <Redirect to="/login" search={{ back }} />;
  }
  if (me.data === undefined) {
    return me.error ? <Failure error={me.error} onRetry={() => void me.refetch()} /> : <Starting />;
  }
  return (
    <MeContext value={me.data}>
      <PlaceProvider>
        <Frame />
        {state === 'lost' && <LostSession />}
      </PlaceProvider>
    </MeContext>
  );
}

/** Below the breakpoint `md` of the frame. */
const NARROW = '(max-width: 62em)';

function Frame() {
  const t = useTexts();
  const { pathname } = useLocation();
  const { portfolios, loading, error, retry } = usePlace();
  const [menuOpened, { toggle: toggleMenu, close: closeMenu }] = useDisclosure(false);
  const [setupOpened, { toggle: toggleSetup, close: closeSetup }] = useDisclosure(false);
  useLive();
  // In narrow windows menu and set-up cover the screen: they make way for the one that was chosen.
  useEffect(() => {
    closeMenu();
    if (window.matchMedia(NARROW).matches) closeSetup();
  }, [pathname, closeMenu, closeSetup]);
  const nowhere = !loading && error === null && portfolios.length === 0;
  return (
    <>
      <a href="#content" className="skip-link">
        {t.frame.skip}
      </a>
      <AppShell
        header={{ height: 52 }}
        navbar={{ width: 240, breakpoint: 'md', collapsed: { mobile: !menuOpened } }}
        aside={{ width: 320, breakpoint: 'md', collapsed: { desktop: !setupOpened, mobile: !setupOpened } }}
        padding="md"
      >
        <AppShell.Header>
          <TopBar menuOpened={menuOpened} onMenu={toggleMenu} onSetup={toggleSetup} />
        </AppShell.Header>
        <AppShell.Navbar p="xs" aria-label={t.frame.menu}>
          <Menu />
        </AppShell.Navbar>
        <AppShell.Main id="content" tabIndex={-1} style={{ outline: 'none' }}>
          <NewerVersion />
          {error && (
            <Box mb="md">
              <Failure error={error} onRetry={retry} />
            </Box>
          )}
          {nowhere ? <NoPortfolios /> : <Outlet />}
        </AppShell.Main>
        <AppShell.Aside>{setupOpened && <QuickSetup onClose={closeSetup} />}</AppShell.Aside>
      </AppShell>
      <Palette />
      <Shortcuts />
    </>
  );
}
