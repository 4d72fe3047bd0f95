package main

import (
	"context"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// beginSession is the script command `begin ADDRESS VARIABLE`: a Session of a person who is there, of the client "notes",
// on the database in the script's folder. Its id goes into the variable.
func beginSession(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	db, err := storage.Open(ctx, "sqlite:"+ts.MkAbs("sojourn-data/sojourn.db"), storage.Options{})
	ts.Check(err)
	defer func() { ts.Check(db.Close()) }()
	user, err := db.UserByEmail(ctx, args[0])
	ts.Check(err)
	now, code := db.Now(), identity.NewSecret()
	signIn := identity.SignIn{
		ID: identity.NewID(), UserID: user.ID, Epoch: user.Epoch, AMR: identity.PWD, SecretHash: identity.NewSecret().Hash(),
		CodeSecretHash: code.Hash(), ProvedAt: now, CreatedAt: now, LastUsedAt: now, IdleEndsAt: now.Add(time.Hour), EndsAt: now.Add(time.Hour),
	}
	ts.Check(db.StartSignIn(ctx, signIn))
	notes, err := db.RegisteredClient(ctx, "notes")
	ts.Check(err)
	p := identity.Promise{
		SessionID: identity.NewID(), SignInID: signIn.ID, SignInSecret: code, Epoch: user.Epoch, ClientEpoch: notes.Epoch, IssuedAt: now,
	}
	_, won, err := db.RedeemCode(ctx, p, identity.Session{
		ID: p.SessionID, ClientID: "notes", SecretHash: identity.NewSecret().Hash(), Scopes: []string{"offline_access"},
		AMR: identity.PWD, AuthTime: now, CreatedAt: now, LastUsedAt: now, IdleEndsAt: now.Add(time.Hour), EndsAt: now.Add(2 * time.Hour),
		Address: "192.0.2.1", Device: identity.Device{Name: "Ada's phone", Model: "Pixel 9"},
	})
	ts.Check(err)
	if !won {
		ts.Fatalf("there is no client notes, so no session began")
	}
	ts.Setenv(args[1], p.SessionID.String())
}
