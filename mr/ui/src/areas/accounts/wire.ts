/** Names of this area for the wire types of the public API. */
import type { Params } from '@/api/client';

export type { Application, ServiceAccount } from '@/api/schema';
export type ResetKeyType = NonNullable<Params<'resetApiKey'>['apiKeyType']>;
