import { NavLink, ScrollArea, Text } from '@mantine/core';
import { useLocation } from '@tanstack/react-router';
import { AREA_ROUTES } from '@/areas';
import { useTexts } from '@/texts';
import { SECTIONS } from './area';
import { AppLink } from './navigate';
import { usePlace } from './place';
import { useMe } from './session';

/** The left menu: the screens that somebody's role may see. */
export function Menu() {
  const t = useTexts();
  const me = useMe();
  const { portfolioId } = usePlace();
  const { pathname } = useLocation();
  const under = AREA_ROUTES.find((area) => isAt(pathname, area.path.replace('/$id', '')))?.under;
  const shown = AREA_ROUTES.filter((area) => area.nav && (area.who?.({ me, portfolioId }) ?? true));
  return (
    <ScrollArea type="hover" scrollbarSize={8}>
      {SECTIONS.map((section) => {
        const entries = shown.filter((area) => area.nav?.section === section);
        if (entries.length === 0) return null;
        entries.sort((one, other) => (one.nav?.order ?? 0) - (other.nav?.order ?? 0));
        return (
          <section key={section} aria-label={t.frame.sections[section]}>
            <Text size="xs" c="dimmed" fw={600} tt="uppercase" px="xs" pt="xs" pb={2} aria-hidden>
              {t.frame.sections[section]}
            </Text>
            {entries.map((area) => {
              const Icon = area.nav?.icon;
              const here = isAt(pathname, area.path);
              return (
                <NavLink
                  key={area.path}
                  component={AppLink}
                  to={area.path}
                  search={area.nav?.search}
                  active={here || under === area.path}
                  aria-current={here ? 'page' : undefined}
                  label={area.title(t)}
                  leftSection={Icon && <Icon size={18} stroke={1.6} />}
                  onMouseEnter={() => void area.load()}
                  styles={{ root: { borderRadius: 'var(--mantine-radius-sm)', paddingBlock: 5 }, body: { lineHeight: 1.25 }, label: { lineHeight: 1.25, display: 'block' } }}
                />
              );
            })}
          </section>
        );
      })}
    </ScrollArea>
  );
}

function isAt(pathname: string, path: string): boolean {
  return pathname === path || pathname.startsWith(`${path}/`);
}
