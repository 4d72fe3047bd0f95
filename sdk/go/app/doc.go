// Package app keeps a person signed in to a program on their own device: a desktop or terminal app, or the Go half of a phone
// app. It is all that docs/mobile.md asks of an app, so that the app need not know it.
//
//	notes, err := app.Open(app.Config{
//		Issuer: "https://id.example.com", ClientID: "notes", Resources: []string{"https://api.example.com"},
//	})
//	if err != nil {
//		return err
//	}
//	if _, err := notes.SignIn(ctx); err != nil { // opens the browser if nobody is signed in
//		return err
//	}
//	response, err := notes.Client().Get("https://api.example.com/notes")
//
// Its one rule: a token is written before it is used, and only the server's word ends a session. An answer that was lost, a
// process that was killed, a clock that is wrong, a captive portal and a full disk are no verdicts.
//
// Errors are an [*Ended], which has a sentence for the person, or an [*Error], whose Kind says what to do. Everything works
// with any OpenID provider; with Sojourn a lost answer costs no sign-in, the server says what to do about each error, and the
// end of a session is heard at once ([App.Listen]).
//
// The contract that this package keeps with those for other languages is sdk/contract/README.md.
package app
