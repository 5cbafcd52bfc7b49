// An OpenID Connect provider for tests: panva's, with its own development forms.
// Everything it has to know comes as one JSON argument; prints "ready" when it listens.
import Provider from "oidc-provider";

const { port, clients, accounts } = JSON.parse(process.argv[2]);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  claims: {
    openid: ["sub"],
    email: ["email", "email_verified"],
    profile: ["name"],
    groups: ["groups"],
  },
  scopes: ["openid", "email", "profile", "groups"],
  pkce: { required: () => true },
  cookies: { keys: ["only for tests"] },
  findAccount: (_ctx, sub) =>
    accounts[sub] && { accountId: sub, claims: () => ({ sub, ...accounts[sub] }) },
});

provider.listen(port, "127.0.0.1", () => console.log("ready"));
