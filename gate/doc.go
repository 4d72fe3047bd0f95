// Package gate answers a proxy in front of an API whether a request may go on: nginx by auth_request, Envoy by ext_authz over
// HTTP, or anything that asks by GET and obeys 200, 401 and 403. It judges access tokens with sdk/go/resource, as an API in Go does
// itself: no call to the server per request, and the end of a session holds within the second.
//
// Its one rule: it says yes only to what it has judged, and everything else, its own trouble too, is no yes. What the proxy must
// do for its part, set the identity headers from our answer and never from the caller, stands in examples/gate, whose
// configurations the tests run.
//
// It imports of ours sdk/go/resource alone, and stands outside of the server: it knows it by what is public.
package gate
