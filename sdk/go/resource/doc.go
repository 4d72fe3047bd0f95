// Package resource protects an API with the access tokens of a Sojourn server: it verifies them, asks the server nothing per
// request, and still refuses an ended session within the second, because it follows the server's feed of endings.
//
//	guard, err := resource.Open(resource.Config{
//		Issuer: "https://id.example.com", Audience: "https://api.example.com", BaseURL: "https://api.example.com",
//		ClientID: "notes-api", ClientSecret: secret, Scopes: []string{"notes.read", "notes.write"},
//	})
//	if err != nil {
//		return err
//	}
//	defer guard.Close()
//	mux.Handle("GET /notes", guard.Require(resource.Operation{Scopes: []string{"notes.read"}}, list))
//	mux.Handle("GET /.well-known/oauth-protected-resource", guard.Metadata())
//
// A handler finds who calls by [ClaimsOf]. JWT access tokens (RFC 9068) are verified by the issuer's keys, reference tokens by
// introspection (RFC 7662) that is kept for a minute; both are judged by the feed at every use. Tokens that are bound to a
// key need its proof (DPoP, RFC 9449).
//
// Its one rule: nothing that was ended is believed longer than the feed's silence of five seconds, after which [Config].Stale
// decides; and no clock that people set has a say in that.
//
// It needs nothing of the server's module, and nothing of package app. The contract that it keeps with the libraries for
// other languages is sdk/contract/resource/README.md.
package resource
