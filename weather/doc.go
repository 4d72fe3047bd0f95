// Package weather is a bad network on purpose: a reverse proxy in front of any OAuth server that loses requests and answers,
// delivers them twice or minutes late, goes offline, and answers like a captive portal, as a test or a seeded profile wants it.
//
//	p, err := weather.New(weather.Options{Upstream: "http://127.0.0.1:8080"})
//	err = p.Start("127.0.0.1:0")
//	defer p.Close()
//	p.Next(weather.Fault{Path: "/oauth2/token", Do: weather.DropAnswer})
//	… the app refreshes through p.URL(); p.Log() tells what it sent, and that the server had committed …
//
// Its one rule: what happens to a request is decided before it is looked at any further, by the faults that were asked for or by
// the seed, so that it can be told and repeated. What it prints or tells over HTTP never holds a secret; Log, for tests in
// the same process, holds all.
//
// It imports nothing of ours, and knows nothing of this server that is not in RFC 6749.
package weather
