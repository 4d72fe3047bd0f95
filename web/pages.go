package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/templates"
)

// Options are what the pages are made of. Every field is needed but Theme and Place.
type Options struct {
	Store       store
	Keys        *identity.Keyring
	Now         func() time.Time
	SignIns     identity.SignIns
	Users       identity.Users
	Grants      identity.Grants
	Devices     identity.Devices
	Credentials identity.Credentials
	Mailed      identity.Mailed
	MailOn      bool // whether mail can be sent
	TOTP        mfa.TOTP
	Policy      identity.MFAPolicy
	SignupOpen  bool   // whether people may make accounts
	Secure      bool   // the issuer is https
	Issuer      string // as in discovery: the iss of answers to apps
	Operator    templates.Operator
	Theme       string                      // the operator's stylesheet, same-origin; empty for none
	Fetch       *http.Client                // must guard itself against private addresses: it fetches clients' logos
	Place       func(address string) string // where a network address is; nil: nobody knows
	Log         *slog.Logger
}

// store is what pages ask of the database themselves; the rest they ask of the domain.
type store interface {
	accountStore
	ClientByID(ctx context.Context, id string) (identity.Client, error)
	CountTry(ctx context.Context, key string, t identity.Throttle) (wait time.Duration, err error)
	ForgiveTry(ctx context.Context, key string) error
	ClearTries(ctx context.Context, key string) error
}

// Pages serves the pages for people.
type Pages struct {
	Options
	logos *logos
}

// New returns pages that are ready to be mounted.
func New(o Options) *Pages {
	if o.Place == nil {
		o.Place = func(string) string { return "" }
	}
	return &Pages{Options: o, logos: newLogos(o.Fetch, o.Now)}
}

// see leads on with a GET, so that a reload of where it leads repeats nothing.
func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func seen(r *http.Request) identity.Seen { return identity.SeenFrom(r.RemoteAddr, r.UserAgent()) }
