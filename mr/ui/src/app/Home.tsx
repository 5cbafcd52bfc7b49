import { Navigate } from '@tanstack/react-router';

/** `/` leads to where the work is. */
export function Home() {
  return <Navigate to="/feature-dashboard" replace />;
}
