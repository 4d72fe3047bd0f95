package identity

import (
	"context"
	"strings"
	"time"
)

// adminPrefix tells an admin token from the other kinds, for people and for secret scanners.
const adminPrefix = "sj_ad_"

// adminTokenLength is that of every admin token: the prefix and 32 random bytes as base64url.
const adminTokenLength = len(adminPrefix) + 43

// AdminThrottle is how many wrong admin tokens one address may send.
var AdminThrottle = Throttle{Free: 20, First: 30 * time.Second, Max: 15 * time.Minute, Forget: time.Hour}

// AdminToken lets a program use the admin API. Its name stands in every Event of what the program does.
type AdminToken struct {
	Name       string
	Role       Role // what it may do, as of a person at the desk
	CreatedAt  time.Time
	LastUsedAt time.Time // to the minute; zero: never
}

type adminTokenStore interface {
	ledger
	throttleStore
	// CreateAdminToken keeps a token by its hash; Conflict when the name is taken.
	CreateAdminToken(ctx context.Context, t AdminToken, hash []byte) error
	AdminTokens(ctx context.Context) ([]AdminToken, error)
	// AdminTokenByHash returns the token that has this hash, or NotFound.
	AdminTokenByHash(ctx context.Context, hash []byte) (AdminToken, error)
	MarkAdminTokenUsed(ctx context.Context, name string) error
	// DeleteAdminToken makes a token worthless; NotFound when there is none of this name.
	DeleteAdminToken(ctx context.Context, name string) error
}

// AdminTokens are the keys to the admin API.
type AdminTokens struct {
	Store adminTokenStore
	Now   func() time.Time
}

// Add makes a token of a role and returns its text, which is told this once: the row keeps SHA-256 of it. Refusals: Invalid for a
// name or role that is none, Conflict for a name that is taken.
func (a AdminTokens) Add(ctx context.Context, name string, role Role) (text string, err error) {
	if err := checkName(name, "token"); err != nil {
		return "", err
	}
	if !role.Covers(RoleReader) {
		return "", RefuseField("role", "Use reader, support or operator.")
	}
	text = adminPrefix + RandomText(32)
	return text, a.Store.InTx(ctx, func(ctx context.Context) error {
		if err := a.Store.CreateAdminToken(ctx, AdminToken{Name: name, Role: role}, HashToken(text)); err != nil {
			return err
		}
		return a.tell(ctx, AdminTokenAdded, name+", "+role.String())
	})
}

// checkName judges what an operator calls a thing: it stands in Events and on command lines.
func checkName(name, thing string) error {
	hidden := func(r rune) bool { return r <= ' ' || r > '~' }
	if name == "" || len(name) > maxActor || strings.ContainsFunc(name, hidden) {
		return RefuseField("name", "Use 1 to 64 visible ASCII characters for the "+thing+"'s name.")
	}
	return nil
}

// All returns every token, by name.
func (a AdminTokens) All(ctx context.Context) ([]AdminToken, error) { return a.Store.AdminTokens(ctx) }

// Remove makes a token worthless at once; NotFound when there is none of this name.
func (a AdminTokens) Remove(ctx context.Context, name string) error {
	return a.Store.InTx(ctx, func(ctx context.Context) error {
		if err := a.Store.DeleteAdminToken(ctx, name); err != nil {
			return err
		}
		return a.tell(ctx, AdminTokenRemoved, name)
	})
}

// markEvery is how often the use of a token is written down.
const markEvery = time.Minute

// Check returns the token that a request presents. The row is asked every time, so a token that was removed is refused
// at once; it is found by its hash, so no comparison tells how much of a guess was right. Refusals: BadLogin, and
// Throttled where too many wrong ones came from the same address; a right one is never held up.
func (a AdminTokens) Check(ctx context.Context, text string, seen Seen) (AdminToken, error) {
	if text == "" {
		return AdminToken{}, a.refuse(ctx)
	}
	if !strings.HasPrefix(text, adminPrefix) || len(text) != adminTokenLength {
		return AdminToken{}, a.miss(ctx, seen)
	}
	token, err := a.Store.AdminTokenByHash(ctx, HashToken(text))
	if KindOf(err) == NotFound {
		return AdminToken{}, a.miss(ctx, seen)
	}
	if err == nil && a.Now().Sub(token.LastUsedAt) >= markEvery {
		err = a.Store.MarkAdminTokenUsed(ctx, token.Name)
	}
	return token, err
}

func (a AdminTokens) miss(ctx context.Context, seen Seen) error {
	if err := TryOrWait(ctx, a.Store, ThrottleKey("admin", Network(seen.Address)), AdminThrottle); err != nil {
		return err
	}
	return a.refuse(ctx)
}

// refuse says what would be right, which for a new server is to make a token first.
func (a AdminTokens) refuse(ctx context.Context) error {
	tokens, err := a.Store.AdminTokens(ctx)
	switch {
	case err != nil:
		return err
	case len(tokens) == 0:
		return Refuse(BadLogin, "There is no admin token yet. Make one with: sojourn admin-token add NAME")
	}
	return Refuse(BadLogin, "Send an admin token as Authorization: Bearer. sojourn admin-token add NAME makes one.")
}

func (a AdminTokens) tell(ctx context.Context, kind EventKind, name string) error {
	return a.Store.AddEvent(ctx, Event{ID: NewID(), At: a.Now(), Kind: kind, Detail: name})
}
