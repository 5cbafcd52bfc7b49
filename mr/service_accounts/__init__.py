"""Service accounts: the identities of SDKs, their keys and permissions."""
