// Package oauth is the protocol: the endpoints of OAuth 2.0 and OpenID Connect, token formats, and the errors of RFC 6749.
//
// Its one rule: it spells, identity decides. What a code, a refresh token or a sign-in is worth is asked of the domain;
// here is only how requests are read, how answers are written, and which clause of which RFC says so.
//
// ory/fosite is the frame: it parses, looks clients up, checks scopes and response types and calls handlers. The handlers,
// the client authentication, the tokens and every writer are ours, because there fosite is wrong or wasteful.
//
// It must not import any package of ours but identity. Pages are reached by URL.
package oauth
