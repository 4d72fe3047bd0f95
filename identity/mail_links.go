package identity

import (
	"context"
	"encoding/hex"
	"time"
)

const linkPrefix = "sj_ml_"

// LinkKind says what a mailed link lets its holder do.
type LinkKind string

// The kinds of link.
const (
	LinkReset  LinkKind = "reset"  // choose a new password
	LinkVerify LinkKind = "verify" // confirm the address that Detail holds
	LinkEmail  LinkKind = "email"  // move the account to another address: Detail is that of the Letter, as it is
	LinkNotMe  LinkKind = "not_me" // end everything
)

// linkLives is how long each kind works: what opens or moves an account, for as long as a mail takes to be read.
var linkLives = map[LinkKind]time.Duration{
	LinkReset: 30 * time.Minute, LinkVerify: 7 * 24 * time.Hour, LinkEmail: time.Hour, LinkNotMe: 7 * 24 * time.Hour,
}

// LinkFor is whom a link is for and what it does.
type LinkFor struct {
	UserID ID
	Kind   LinkKind
	Detail string // kept in the row, never in the link
}

// MailLink is what the database knows of a link that was mailed.
type MailLink struct {
	LinkFor
	Slot       string // what of a user's links another one replaces
	SecretHash []byte
	ExpiresAt  time.Time
}

type mailLinkStore interface {
	// WriteMailLink puts a link in the place of the one that its user had in the same slot.
	WriteMailLink(ctx context.Context, l MailLink) error
	// ReadMailLink returns the detail of a link that is alive; false when there is none with this secret.
	ReadMailLink(ctx context.Context, l MailLink) (detail string, alive bool, err error)
	// SpendMailLink is ReadMailLink and deletes it: of all who spend one link, one is told that it was alive.
	SpendMailLink(ctx context.Context, l MailLink) (detail string, alive bool, err error)
}

// MailLinks makes the links that mails carry, and judges them. A link is a sealed pointer to a row that keeps the hash of
// its secret: neither our key nor the database alone makes one.
type MailLinks struct {
	Store mailLinkStore
	Keys  *Keyring
	Now   func() time.Time
}

// errLinkOver is the one answer to a link that is forged, of another kind, used, replaced or too old.
var errLinkOver = Refuse(NotFound, "This link was used, is too old, or a newer one took its place. Ask for a new one.")

// Make returns the text of a new link. It takes the place of an earlier one of the same user and kind, but for LinkNotMe:
// whoever acts in a person's name must not be able to void the way to stop them by causing another mail.
func (m MailLinks) Make(ctx context.Context, to LinkFor) (text string, err error) {
	secret := NewSecret()
	l := mailLink(to, secret)
	l.ExpiresAt = m.Now().Add(linkLives[to.Kind])
	return m.Keys.linkText(to, secret), m.Store.WriteMailLink(ctx, l)
}

// Read judges a link and spends nothing: what mail scanners fetch ahead of the person stays good. Refusal: NotFound.
func (m MailLinks) Read(ctx context.Context, text string, kind LinkKind) (LinkFor, error) {
	return m.judge(text, kind, func(l MailLink) (string, bool, error) { return m.Store.ReadMailLink(ctx, l) })
}

// Spend uses a link up; it belongs in the transaction of what the link is for. Refusal: NotFound, like Read.
func (m MailLinks) Spend(ctx context.Context, text string, kind LinkKind) (LinkFor, error) {
	return m.judge(text, kind, func(l MailLink) (string, bool, error) { return m.Store.SpendMailLink(ctx, l) })
}

func (m MailLinks) judge(text string, kind LinkKind, ask func(MailLink) (string, bool, error)) (LinkFor, error) {
	link, secret, err := m.Keys.readLink(text)
	if err != nil || link.Kind != kind {
		return LinkFor{}, errLinkOver
	}
	detail, alive, err := ask(mailLink(link, secret))
	if err != nil {
		return LinkFor{}, err
	}
	if !alive {
		return LinkFor{}, errLinkOver
	}
	link.Detail = detail
	return link, nil
}

func mailLink(to LinkFor, secret Secret) MailLink {
	l := MailLink{LinkFor: to, Slot: string(to.Kind), SecretHash: secret.Hash()}
	if to.Kind == LinkNotMe {
		l.Slot += " " + hex.EncodeToString(l.SecretHash[:8])
	}
	return l
}

// linkText seals user id, secret and kind.
func (k *Keyring) linkText(to LinkFor, secret Secret) string {
	body := append(append(append([]byte{}, to.UserID[:]...), secret[:]...), to.Kind...)
	return toText(linkPrefix, k.Seal(ForLink, body, nil))
}

// readLink returns what an authentic link says, or ErrForged. It asks no database.
func (k *Keyring) readLink(text string) (link LinkFor, secret Secret, err error) {
	raw, err := fromText(linkPrefix, text)
	if err != nil {
		return link, secret, err
	}
	body, err := k.Open(ForLink, raw, nil)
	if err != nil || len(body) < 32 || linkLives[LinkKind(body[32:])] == 0 {
		return LinkFor{}, Secret{}, ErrForged
	}
	copy(link.UserID[:], body)
	copy(secret[:], body[16:])
	link.Kind = LinkKind(body[32:])
	return link, secret, nil
}
