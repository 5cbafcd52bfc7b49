// A SAML identity provider for tests: samlify behind node:http.
// Takes one JSON argument {port, key, certificate}; prints "ready" when it listens.
//   GET  /metadata      its metadata
//   POST /providers     the metadata of a service provider that it shall know
//   GET  /sso           a request by redirect, whose signature it checks
//   GET  /start?sp=…    begins a sign-in by itself
// The last two answer {action, SAMLResponse, RelayState} as JSON: the form that a browser would post.
// Browsers, who ask for HTML, are asked for an e-mail address first, and get a form that posts itself.
// What the answer is like comes in the query: email, name, groups, message (signed too), encrypted.
const http = require("node:http");
const { randomUUID } = require("node:crypto");
const { inflateRawSync } = require("node:zlib");
const samlify = require("samlify");

const { port, key, certificate } = JSON.parse(process.argv[2]);
const here = `http://127.0.0.1:${port}`;
const known = new Map();

// It is the service provider that is tested here.
samlify.setSchemaValidator({ validate: () => Promise.resolve("not checked") });

const settings = {
  entityID: `${here}/metadata`,
  privateKey: key,
  signingCert: certificate,
  requestSignatureAlgorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
  wantAuthnRequestsSigned: true,
  nameIDFormat: ["urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"],
  singleSignOnService: [
    { Binding: "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect", Location: `${here}/sso` },
  ],
  dataEncryptionAlgorithm: "http://www.w3.org/2009/xmlenc11#aes256-gcm",
  keyEncryptionAlgorithm: "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
};
const plain = samlify.IdentityProvider(settings);
const encrypting = samlify.IdentityProvider({ ...settings, isAssertionEncrypted: true });

const escape = (text) =>
  text.replace(/[&<>"]/g, (each) => `&#${each.charCodeAt(0)};`);

function attribute(name, values) {
  const shown = values.map((value) => `<saml:AttributeValue>${escape(value)}</saml:AttributeValue>`);
  return values.length ? `<saml:Attribute Name="${name}">${shown.join("")}</saml:Attribute>` : "";
}

function response(entity, consumer, request, query) {
  const now = new Date();
  const end = new Date(now.getTime() + 300_000).toISOString();
  const answers = request ? ` InResponseTo="${request}"` : "";
  const id = `_${randomUUID()}`;
  const subject = query.get("subject") ?? `subject-of-${query.get("email")}`;
  const context = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${id}" Version="2.0" IssueInstant="${now.toISOString()}" Destination="${consumer}"${answers}><saml:Issuer>${here}/metadata</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion ID="_${randomUUID()}" Version="2.0" IssueInstant="${now.toISOString()}"><saml:Issuer>${here}/metadata</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">${escape(subject)}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="${end}" Recipient="${consumer}"${answers}/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="${now.toISOString()}" NotOnOrAfter="${end}"><saml:AudienceRestriction><saml:Audience>${entity}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="${now.toISOString()}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>${attribute("mail", [query.get("email")])}${attribute("displayName", [query.get("name") ?? "Somebody"])}${attribute("groups", query.getAll("group"))}</saml:AttributeStatement></saml:Assertion></samlp:Response>`;
  return { id, context };
}

async function answer(entity, request, query) {
  const metadata = known.get(entity);
  const sp = samlify.ServiceProvider({ metadata, wantMessageSigned: query.has("message") });
  const idp = query.has("encrypted") ? encrypting : plain;
  const consumer = sp.entityMeta.getAssertionConsumerService("post");
  const made = await idp.createLoginResponse(
    sp,
    {},
    "post",
    { email: query.get("email") },
    () => response(entity, consumer, request, query),
    query.has("encrypted"), // a message is signed as it is sent
  );
  return { action: consumer, SAMLResponse: made.context, RelayState: query.get("RelayState") ?? "" };
}

async function sso(url) {
  const query = url.searchParams;
  const xml = inflateRawSync(Buffer.from(query.get("SAMLRequest"), "base64")).toString();
  const entity = /<saml:Issuer>([^<]+)</.exec(xml)[1];
  const sp = samlify.ServiceProvider({ metadata: known.get(entity) });
  const signed = ["SAMLRequest", "RelayState", "SigAlg"]
    .map((name) => `${name}=${encodeURIComponent(query.get(name))}`)
    .join("&");
  const parsed = await plain.parseLoginRequest(sp, "redirect", {
    query: Object.fromEntries(query),
    octetString: signed,
  });
  return answer(entity, parsed.extract.request.id, query);
}

const hidden = (values) =>
  Object.entries(values)
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${escape(value)}">`)
    .join("");

const form = (attributes, inner, after = "") =>
  `<!doctype html><title>Sign in</title><form ${attributes}>${inner}<button>Go on</button></form>${after}`;

async function page(url) {
  const query = Object.fromEntries(url.searchParams);
  if (!query.email) return form("", `${hidden(query)}<label>E-mail <input name="email"></label>`);
  const { action, ...values } = await sso(url);
  const send = "<script>document.forms[0].submit()</script>";
  return form(`method="post" action="${escape(action)}"`, hidden(values), send);
}

async function route(request, body) {
  const url = new URL(request.url, here);
  if (url.pathname === "/metadata") return plain.getMetadata();
  if (url.pathname === "/providers") {
    known.set(/entityID="([^"]+)"/.exec(body)[1], body);
    return {};
  }
  if (url.pathname === "/start") return answer(url.searchParams.get("sp"), null, url.searchParams);
  return request.headers.accept?.includes("text/html") ? page(url) : sso(url);
}

http
  .createServer((request, reply) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      route(request, Buffer.concat(parts).toString()).then(
        (told) => {
          if (typeof told !== "string") return reply.end(JSON.stringify(told));
          if (told.startsWith("<!doctype")) reply.setHeader("content-type", "text/html");
          return reply.end(told);
        },
        (error) => {
          console.error(error);
          reply.writeHead(500).end(String(error));
        },
      );
    });
  })
  .listen(port, "127.0.0.1", () => console.log("ready"));
