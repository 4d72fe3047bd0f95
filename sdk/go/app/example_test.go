package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/sojourn-auth/sojourn/sdk/go/app"
)

// A terminal app in ten lines: the browser signs the person in, and the client keeps them signed in.
func Example() {
	ctx := context.Background()
	notes, err := app.Open(app.Config{
		Issuer: "https://id.example.com", ClientID: "notes", Resources: []string{"https://api.example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer notes.Close()
	who, err := notes.SignIn(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Hello,", who.Name)
	response, err := notes.Client().Get("https://api.example.com/notes")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(os.Stdout, response.Body)
}

// What an app does about each error.
func ExampleApp_Token() {
	notes, err := app.Open(app.Config{Issuer: "https://id.example.com", ClientID: "notes", Language: "de"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := notes.Token(context.Background())
	if ended, ok := errors.AsType[*app.Ended](err); ok {
		fmt.Println(ended.Sentence) // and offer to sign in
		return
	}
	switch app.KindOf(err) {
	case app.SignedOut:
		fmt.Println("Sign in?")
	case app.Offline, app.Store:
		who, _ := notes.Identity()
		fmt.Println("Offline. Last seen signed in as", who.Name, "at", who.Since)
	case app.Stop:
		log.Fatal(err) // for the developer
	default:
		fmt.Println(token.Type())
	}
}

// A phone app, whose redirect the system delivers to it: by a claimed https address, or a scheme of its own.
func ExampleApp_Begin() {
	folder, err := app.NewFileFolder("/data/data/com.example.notes/files/session")
	if err != nil {
		log.Fatal(err)
	}
	notes, err := app.Open(app.Config{
		Issuer: "https://id.example.com", ClientID: "notes", RedirectURI: "https://notes.example.com/callback", Storage: folder,
		Notify: func(e app.Event) {
			if e.Ended != nil {
				fmt.Println(e.Ended.Sentence)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	address, err := notes.Begin(context.Background(), "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open", address) // in the system's browser

	// … and when the system hands over the address that came back, be it to another process:
	who, err := notes.Redirect(context.Background(), "https://notes.example.com/callback?code=…&state=…&iss=…")
	fmt.Println(who.Name, err)
}
