package main

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// buryDelivery is the script command `bury`: a server that does not know the root secret claims the delivery that is due
// for longest, and gives it up.
func buryDelivery(ts *testscript.TestScript, _ bool, _ []string) {
	root, err := base64.StdEncoding.DecodeString(testSecret)
	ts.Check(err)
	keys, err := identity.NewKeyring(root)
	ts.Check(err)
	db, err := storage.Open(context.Background(), "sqlite:"+ts.MkAbs("sojourn-data/sojourn.db"), storage.Options{Keys: keys})
	ts.Check(err)
	defer func() { ts.Check(db.Close()) }()
	claim := identity.DeliveryClaim{Kind: identity.LogoutDelivery, Lease: time.Minute}
	d, found, err := db.ClaimDelivery(context.Background(), claim)
	ts.Check(err)
	if !found || d.DeadAt.IsZero() {
		ts.Fatalf("nothing was given up: %+v", d)
	}
}
