"""Identity providers: OpenID Connect, GitHub and SAML, each answering one question: who this is."""
