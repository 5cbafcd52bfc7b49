import { useEffect, useState } from 'react';
import { backFrom, forgetBack } from './back';
import { Redirect } from './navigate';

/** `/` leads to where the work is, or back to where somebody was before a provider signed them in. */
export function Home() {
  const [target] = useState(() => backFrom(undefined));
  useEffect(forgetBack, []);
  const [path = '/', query] = target.split('?');
  if (path === '/') return <Redirect to="/feature-dashboard" />;
  return <Redirect to={path} search={Object.fromEntries(new URLSearchParams(query))} />;
}
