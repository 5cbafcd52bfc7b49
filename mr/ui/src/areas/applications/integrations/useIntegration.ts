import { useState } from 'react';
import { useApiChange } from '@/api/hooks';
import { useNotify } from '@/kit';
import { useTexts } from '@/texts';
import type { IntegrationFormProps } from './IntegrationsTab';
import type { SettingsMap } from './settings';

/** Saves changed settings of an environment's integrations, and asks for tests. */
export function useIntegration({ environment, messageType }: IntegrationFormProps) {
  const t = useTexts().applications.integrations;
  const notify = useNotify();
  const [error, setError] = useState<unknown>(null);
  const update = useApiChange('updateEnvironmentOnApplication', { changes: ['getEnvironment'] });
  const test = useApiChange('testWebhook', { changes: ['findDeliveries'] });
  const { id, applicationId = '', version = 0 } = environment;
  return {
    error,
    busy: update.isPending,
    testing: test.isPending,
    /** Sends only what differs. `show` gets the settings as they are stored then, before anybody is told. */
    async save(change: Record<string, string>, show: (saved: SettingsMap) => void): Promise<void> {
      setError(null);
      try {
        const saved = await update.mutateAsync({
          params: { id: applicationId, includeDetails: true },
          body: { id, version, webhookEnvironmentInfo: change },
        });
        if (saved.webhookEnvironmentInfo !== undefined) show(saved.webhookEnvironmentInfo);
        notify.success(t.saved);
      } catch (refused) {
        setError(refused);
      }
    },
    async test() {
      setError(null);
      try {
        await test.mutateAsync({ body: { messageType, envId: id, config: {} } });
        notify.success(t.tested);
      } catch (refused) {
        setError(refused);
      }
    },
  };
}
