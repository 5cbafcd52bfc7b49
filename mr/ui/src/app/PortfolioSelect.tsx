import { Select } from '@mantine/core';
import { useTexts } from '@/texts';
import { useGo } from './navigate';
import { usePlace } from './place';

/** The portfolio of everything below. Changing it leads back to the start of the working area. */
export function PortfolioSelect() {
  const t = useTexts();
  const go = useGo();
  const { portfolios, portfolioId } = usePlace();
  const data = portfolios.flatMap(({ id, name }) => (id === undefined ? [] : [{ value: id, label: name }]));
  return (
    <Select
      aria-label={t.frame.portfolio}
      placeholder={data.length === 0 ? t.frame.noPortfolios : t.frame.choosePortfolio}
      size="xs"
      w={{ base: 150, sm: 220 }}
      data={data}
      value={portfolioId ?? null}
      allowDeselect={false}
      searchable
      nothingFoundMessage={t.common.none}
      maxDropdownHeight={360}
      onChange={(id) => {
        if (id === null || id === portfolioId) return;
        // By the address, so that a form with unsaved input can object.
        void go('/feature-dashboard', { search: { portfolio: id } });
      }}
    />
  );
}
