import { Tooltip } from '@mantine/core';
import { IconBraces, IconLetterCase, IconNumber123, IconToggleRight, type TablerIcon } from '@tabler/icons-react';
import type { Feature } from '@/api/schema';
import { useTexts } from '@/texts';

export type FeatureType = NonNullable<Feature['valueType']>;

const ICONS: Readonly<Record<FeatureType, TablerIcon>> = {
  BOOLEAN: IconToggleRight,
  STRING: IconLetterCase,
  NUMBER: IconNumber123,
  JSON: IconBraces,
};

/** What people call a feature's type. */
export function useTypeName(): (type: FeatureType) => string {
  const t = useTexts();
  return (type) => t.common.types[type];
}

/** A feature's type as a picture with its name. */
export function TypeIcon({ type, size = 18 }: { type: FeatureType; size?: number }) {
  const name = useTypeName()(type);
  const Icon = ICONS[type];
  return (
    <Tooltip label={name}>
      <Icon size={size} stroke={1.6} role="img" aria-label={name} />
    </Tooltip>
  );
}
