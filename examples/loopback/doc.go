// Package loopback signs a person in to a program on their own machine (RFC 8252): the system browser shows the pages, and
// the answer comes to a port on 127.0.0.1 that is open just for it.
//
// Its one rule: nothing that comes back is believed before it is checked: state, iss (RFC 9207), then the ID token's
// signature, audience, time and nonce. It uses golang.org/x/oauth2 and go-oidc only, so any OpenID provider will do.
package loopback
