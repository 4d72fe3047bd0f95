// Package resource holds every library that verifies access tokens for APIs to one behaviour: scenarios and vectors as data, and
// the player that plays them against a driver, a small API over each library (README.md).
//
// Its one rule: the player judges by what the API answers, what it asked the server, and what it says of itself; it knows nothing
// of a library's inside.
//
// It holds tests alone.
package resource
