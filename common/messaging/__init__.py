"""How changes travel from MR to whoever holds copies: promises in `bus`, one module per way of travel."""
