// Package oauth is the protocol: the endpoints of OAuth 2.0 and OpenID Connect, token formats, and the errors of RFC 6749.
//
// Its one rule: it spells, identity decides. What a code, a refresh token or a sign-in is worth is asked of the domain;
// here is only how requests are read, how answers are written, and which clause of which RFC says so.
//
// ory/fosite is the frame of the token and the authorization request, in engine.go: it parses, has clients authenticated,
// checks scopes and response types and calls the handler of the grant. The handlers, the client authentication, the tokens,
// the errors and every writer are ours, because there it is wrong or wasteful (decision 14).
//
// It must not import any package of ours but identity. Pages are reached by URL.
package oauth
