export const portfolios = {
  title: 'Portfolios',
  lead: 'A portfolio holds the applications of one part of your organisation, with its own groups and service accounts.',
  search: 'Find a portfolio',
  create: 'Create portfolio',
  edit: 'Rename or describe',
  created: (name: string) => `${name} was created, with a group of administrators.`,
  changed: (name: string) => `${name} was changed.`,
  deleted: (name: string) => `${name} was deleted.`,
  deleteTitle: (name: string) => `Delete ${name}?`,
  deleteText: 'All its applications, groups and service accounts go with it, and their API keys stop working.',
  emptyTitle: 'No portfolio',
  emptyText: 'Create one to have a place for applications.',
  applications: 'Applications',
  groups: 'Groups',
  whenCreated: 'Created',
  open: (name: string) => `Work in ${name}`,
  menu: (name: string) => `More about ${name}`,
  verify: 'Verify what is delivered',
  verifyAll: 'Verify everything',
  verifyTitle: (name: string) => `Verify what ${name} delivers?`,
  verifyAllTitle: 'Verify what every portfolio delivers?',
  verifyText:
    'Everything that SDKs receive is worked out again from the stored features; where it differs, it is delivered anew. Safe at any time, and it may take a while.',
  verified: (environments: number, accounts: number) =>
    `Verified ${environments === 1 ? '1 environment' : `${environments} environments`} and ${
      accounts === 1 ? '1 service account' : `${accounts} service accounts`
    }.`,

  filters: {
    title: 'Feature filters',
    lead: 'Labels on features. A service account with filters receives only features that share one of them.',
    search: 'Find a filter',
    create: 'Create filter',
    edit: 'Edit filter',
    created: (name: string) => `${name} was created.`,
    changed: (name: string) => `${name} was changed.`,
    deleted: (name: string) => `${name} was deleted.`,
    emptyTitle: 'No filter yet',
    emptyText: 'Use filters to give an SDK only the features that concern it, for instance “mobile”.',
    usedBy: 'Features',
    accounts: 'Service accounts',
    features: (count: number) => (count === 1 ? '1 feature' : `${count} features`),
    unused: 'not used',
    author: 'Created by',
    menu: (name: string) => `More about ${name}`,
    deleteTitle: (name: string) => `Delete ${name}?`,
    deleteText: 'It is taken off all features and service accounts.',
    deleteOnly: (accounts: string) => `No filter is left on ${accounts}. Such an account receives no features at all.`,
    deleteUses: (features: number, accounts: number) =>
      `Used by ${features === 1 ? '1 feature' : `${features} features`} and ${
        accounts === 1 ? '1 service account' : `${accounts} service accounts`
      }.`,
  },
};
