// Sojourn is an OAuth 2.0 and OpenID Connect server that keeps people signed in to mobile apps, and ends that the moment
// it should end.
//
// Its one rule: a command is flags, then settings, then one call into the domain or the server, then what it says. No rule
// of the domain is here. Every command works on the configured database while the server runs.
package main
