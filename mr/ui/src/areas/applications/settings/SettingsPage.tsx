import { Tabs } from '@mantine/core';
import { useLocation } from '@tanstack/react-router';
import { useGo } from '@/app/navigate';
import { usePlace } from '@/app/place';
import { Page } from '@/kit';
import { ApplicationSelect, ForApplication } from '@/kit/ForApplication';
import { useTexts } from '@/texts';
import { IntegrationsTab } from '../integrations/IntegrationsTab';
import { AccountPermissionsTab } from './AccountPermissionsTab';
import { EnvironmentsTab } from './EnvironmentsTab';
import { GroupPermissionsTab } from './GroupPermissionsTab';
import { TABS, type Tab, tabOf } from './tabs';

/** The settings of an application; the address names the part, such as `/app-settings/groups`. */
export default function SettingsPage() {
  const t = useTexts();
  const go = useGo();
  const tab = useTab();
  const { application } = usePlace();
  return (
    <Page
      title={application === undefined ? t.applications.settings : t.applications.settingsTitle(application.name)}
      actions={<ApplicationSelect />}
    >
      <ForApplication>
        {(chosen) => (
          <Tabs value={tab} onChange={(next) => next !== null && void go(`/app-settings/${next}`)} keepMounted={false}>
            <Tabs.List aria-label={t.applications.tabs.label} mb="md">
              {TABS.map((each) => (
                <Tabs.Tab key={each} value={each}>
                  {t.applications.tabs[each]}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            <Tabs.Panel value="environments">
              <EnvironmentsTab key={chosen.id} application={chosen} />
            </Tabs.Panel>
            <Tabs.Panel value="groups">
              <GroupPermissionsTab key={chosen.id} application={chosen} />
            </Tabs.Panel>
            <Tabs.Panel value="accounts">
              <AccountPermissionsTab key={chosen.id} application={chosen} />
            </Tabs.Panel>
            <Tabs.Panel value="integrations">
              <IntegrationsTab key={chosen.id} application={chosen} />
            </Tabs.Panel>
          </Tabs>
        )}
      </ForApplication>
    </Page>
  );
}

function useTab(): Tab {
  const { pathname } = useLocation();
  return tabOf(pathname.split('/').at(-1));
}
