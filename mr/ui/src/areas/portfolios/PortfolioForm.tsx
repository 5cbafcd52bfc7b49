import { useCallback, useEffect, useState } from 'react';
import { call, type OperationId } from '@/api/client';
import { useApiChange } from '@/api/hooks';
import type { Portfolio } from '@/api/schema';
import { FormDialog, useNotify } from '@/kit';
import { type Named, NamedFields } from '@/kit/NamedFields';
import { StaleNotice, useNewest } from '@/kit/newest';
import { useTexts } from '@/texts';

/** Whatever shows portfolios. A new one brings a group, whose members its maker is among. */
export const PORTFOLIO_LISTS: readonly OperationId[] = ['findPortfolios', 'getPortfolio', 'findGroups', 'getPerson'];

interface PortfolioFormProps {
  opened: boolean;
  onClose: () => void;
  /** Absent: a new one. */
  portfolio?: Portfolio;
}

/** Creates a portfolio, or renames and describes one. */
export function PortfolioForm({ opened, onClose, portfolio }: PortfolioFormProps) {
  const t = useTexts();
  const notify = useNotify();
  const [value, setValue] = useState<Named>({ name: '', description: '' });
  const create = useApiChange('createPortfolio', { changes: PORTFOLIO_LISTS });
  const update = useApiChange('updatePortfolioOnOrganisation', { changes: PORTFOLIO_LISTS });
  const id = portfolio?.id ?? '';
  const newest = useNewest(opened, portfolio, useCallback(() => call('getPortfolio', { params: { id } }), [id]));
  useEffect(() => {
    if (opened) setValue({ name: portfolio?.name ?? '', description: portfolio?.description ?? '' });
  }, [opened, portfolio]);
  const submit = async () => {
    const named = { name: value.name.trim(), description: value.description.trim() };
    if (portfolio === undefined) {
      await create.mutateAsync({ body: named });
      notify.success(t.portfolios.created(named.name));
    } else {
      const body = { id, version: newest.version ?? portfolio.version, ...named };
      await newest.send(() => update.mutateAsync({ body }));
      notify.success(t.portfolios.changed(named.name));
    }
  };
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={portfolio === undefined ? t.portfolios.create : t.portfolios.edit}
      submitLabel={portfolio === undefined ? t.common.create : t.common.save}
      incomplete={value.name.trim() === ''}
      onSubmit={submit}
    >
      {(error) => (
        <>
          <StaleNotice other={newest.other} />
          <NamedFields value={value} onChange={setValue} error={error} nameMax={200} descriptionMax={400} />
        </>
      )}
    </FormDialog>
  );
}
