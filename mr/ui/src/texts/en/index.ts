import { accounts } from './accounts';
import { applications } from './applications';
import { auth } from './auth';
import { common } from './common';
import { features } from './features';
import { frame } from './frame';
import { groups } from './groups';
import { insight } from './insight';
import { people } from './people';
import { portfolios } from './portfolios';
import { strategies } from './strategies';

export const en = {
  common,
  frame,
  auth,
  people,
  insight,
  features,
  applications,
  groups,
  strategies,
  portfolios,
  accounts,
};
