import { Redirect } from './navigate';

/** `/` leads to where the work is. */
export function Home() {
  return <Redirect to="/feature-dashboard" />;
}
