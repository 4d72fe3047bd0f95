package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

// HookCause is what for the operator's program is asked about a person. An answer counts for all of them.
type HookCause string

// The causes.
const (
	HookSignIn        HookCause = "sign_in"
	HookRefresh       HookCause = "refresh"
	HookUserinfo      HookCause = "userinfo"
	HookIntrospection HookCause = "introspection"
)

// HookQuestion is what the operator's program is asked: whom an app is about to be told of, and what the app may know.
type HookQuestion struct {
	For      HookCause
	UserID   identity.ID
	Epoch    int // of the person's credentials
	ClientID string
	Scopes   []string // that the Session was granted
	Resource string   // whom the access token is for; the issuer is this server
	ACR      string
	// Person reads who it is; nobody does where the answer is known.
	Person func(context.Context) (identity.User, error)
}

// HookAnswer is what the operator's program says of a person.
type HookAnswer struct {
	Claims  map[string]json.RawMessage // by the NAME of hook.NAME
	Refusal string                     // a sentence for people; empty: it refuses nothing
}

// hookPrefix begins a ClaimRule's From that names what the hook says.
const hookPrefix = "hook."

// valueOf is what a rule says of a person here; false where there is nothing to say.
func (t telling) valueOf(rule identity.ClaimRule, u identity.User) (any, bool) {
	if name, hooked := strings.CutPrefix(rule.From, hookPrefix); hooked {
		value, known := t.heard[name]
		return value, known
	}
	return rule.Value(u)
}

// hookRefusal says that the operator's program lets the person have no token now. It ends nothing: it may say otherwise later.
type hookRefusal struct{ sentence string }

// Error says what the program said.
func (r hookRefusal) Error() string { return "the claims hook refuses: " + r.sentence }

// as spells the refusal for a surface. The app keeps what it has: signing in again would not help.
func (r hookRefusal) as(code reply) error {
	said := describable(r.sentence)
	if said != r.sentence { // RFC 6749 §5.2 has no other letters than those of ASCII
		said = "The operator lets this person have no token now; message says why."
	}
	return &protocolError{reply: code, description: said, action: actStop, message: r.sentence}
}

// hear asks the operator's program about the person of a Session, or of one that is about to begin. Where there is no program
// it answers nothing. Errors: a hookRefusal, or why nothing may be issued now.
func (e *Endpoints) hear(ctx context.Context, cause HookCause, s identity.Session, resource string) (map[string]json.RawMessage, error) {
	if e.o.Hook == nil {
		return nil, nil
	}
	answer, err := e.o.Hook.ask(ctx, HookQuestion{
		For: cause, UserID: s.UserID, Epoch: s.Epoch, ClientID: s.ClientID, Scopes: s.Scopes, Resource: resource, ACR: s.AMR.ACR(),
		Person: func(ctx context.Context) (identity.User, error) { return e.person(ctx, s) },
	})
	if err == nil && answer.Refusal != "" {
		err = hookRefusal{answer.Refusal}
	}
	return answer.Claims, err
}

// heed keeps what is heard of the person for the tokens of an exchange, before anything is written: a client that tries again
// after a failure presents what it presented before, which must not have been used up.
func (e *Endpoints) heed(ctx context.Context, x *exchange, cause HookCause, s identity.Session) (err error) {
	x.answer.heard, err = e.hear(ctx, cause, s, x.answer.audience)
	if refusal, is := errors.AsType[hookRefusal](err); is {
		return refusal.as(refusedByHook)
	}
	x.heeded = err == nil
	return err
}

// consult asks the hook about the person of a code. A code that starts no Session is left to the redemption, which says what is
// wrong with it, and ends what it started before, whether or not the hook answers.
func (h codeGrant) consult(ctx context.Context, x *exchange) error {
	if h.e.o.Hook == nil {
		return nil
	}
	p := x.promise
	row, err := h.e.store.SessionByID(ctx, p.SessionID)
	switch {
	case err == nil && p.Redeem(row, h.e.o.Now()) == identity.RetryCode:
		return h.e.heed(ctx, x, HookSignIn, row)
	case identity.KindOf(err) != identity.NotFound:
		return err
	}
	standing, err := h.e.store.StandingOf(ctx, p.SignInID)
	if err != nil || !p.Stands(standing) {
		return err
	}
	person := standing.User
	return h.e.heed(ctx, x, HookSignIn, identity.Session{
		UserID: person.ID, Epoch: p.Epoch, ClientID: x.client.ID, Scopes: p.Scopes, AMR: p.AMR, Person: &person,
	})
}

// consult asks the hook about the person of a refresh token. One that the rule would refuse is left to it: a stolen token ends
// its Session, whether or not the hook answers.
func (h refreshGrant) consult(ctx context.Context, x *exchange, s identity.Session) error {
	if h.e.o.Hook == nil || !h.e.o.Sessions.Welcomes(s, x.refresh, h.presenter(x)) {
		return nil
	}
	return h.e.heed(ctx, x, HookRefresh, s)
}

// errUnheeded keeps from being issued what the hook was not asked about.
var errUnheeded = identity.Refuse(identity.Unavailable, "The session changed just now. Send the same request again; nothing was lost.")
