/** Takes what another environment serves into the draft of this one; nothing is saved by that. */
import { Button, Menu } from '@mantine/core';
import { IconCopy } from '@tabler/icons-react';
import type { FeatureEnvironment } from '@/api/schema';
import { useTexts } from '@/texts';
import { type Draft, draftOf } from '../model/draft';
import type { FeatureType } from '../model/wire';

interface CopyFromProps {
  type: FeatureType;
  others: readonly FeatureEnvironment[];
  draft: Draft;
  onChange: (draft: Draft) => void;
}

export function CopyFrom({ type, others, draft, onChange }: CopyFromProps) {
  const t = useTexts().features.editor;
  const copied = (environment: FeatureEnvironment) => {
    const { value, custom, uses } = draftOf(type, environment.featureValue);
    // Lock and retirement belong to the environment, not to what is served there.
    onChange({ ...draft, value, custom, uses });
  };
  if (others.length === 0) return null;
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <Button size="compact-sm" variant="subtle" leftSection={<IconCopy size={14} />}>
          {t.copyFrom}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t.copyFromHint}</Menu.Label>
        {others.map((each) => (
          <Menu.Item key={each.environment.id} onClick={() => copied(each)}>
            {each.environment.name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
