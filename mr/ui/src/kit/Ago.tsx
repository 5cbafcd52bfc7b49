import { Text, Tooltip } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useLanguage } from '@/app/language';
import { useTexts } from '@/texts';
import { ago, exactly } from './time';

const REFRESHED_MS = 30_000;

/** How long ago something was; the exact moment on hover. "never" without one. */
export function Ago({ time }: { time: string | undefined }) {
  const t = useTexts();
  const { locale } = useLanguage();
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), REFRESHED_MS);
    return () => clearInterval(timer);
  }, []);
  if (time === undefined) return <>{t.common.never}</>;
  const moment = new Date(time);
  return (
    <Tooltip label={exactly(moment, locale)}>
      <Text component="time" inherit dateTime={time} span>
        {ago(moment, now, locale) ?? t.common.justNow}
      </Text>
    </Tooltip>
  );
}

/** The exact moment. */
export function Moment({ time }: { time: string }) {
  const { locale } = useLanguage();
  return <time dateTime={time}>{exactly(new Date(time), locale)}</time>;
}
