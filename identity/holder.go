package identity

import "encoding/base64"

// Holder is who presents a code or a refresh token.
type Holder struct {
	Client Client
	Proved bool       // authenticated as the client, so a copied token alone would not do
	Key    Thumbprint // of the key whose DPoP proof came with the request; zero when none did
	Seen   Seen
	Device Device // as this request describes it
	Reach  Reach  // what a refresh is for
	// Admits judges the row of a Session that Reach says nothing of, before anything is written; nil: nothing more is asked.
	Admits func(Session) error
	Person bool // what apps are told of the person is wanted too
}

// sessionKey is the key that this holder's refresh tokens are bound to: a client that authenticates is bound to its own
// credentials already (RFC 9449 §5).
func (h Holder) sessionKey() Thumbprint {
	if h.Client.Public() {
		return h.Key
	}
	return Thumbprint{}
}

// proves reports whether this holder has more to show than a token that may be a copy: for the Session of sessionKey.
func (h Holder) proves() bool { return h.Proved || h.sessionKey() != (Thumbprint{}) }

// mayEnd reports whether this holder of a token may end its Session: a copy of the token alone does not where it is bound
// to a key. Confidential clients have authenticated.
func (h Holder) mayEnd(row Session) bool {
	return row.Key == (Thumbprint{}) || !h.Client.Public() || row.Key == h.Key
}

// subject is whom a refusal is counted of before its Session is known.
func (h Holder) subject() Subject {
	return SubjectOf(h.Client, Session{Platform: PlatformOf(h.Seen.UserAgent, h.Device), Device: h.Device})
}

// presents is what the rule is asked about a token of a Session.
func (h Holder) presents(row Session, t RefreshToken) Presented {
	return Presented{
		Generation: t.Generation, Branch: t.Branch, Rotation: h.Client.Rotation, Proved: h.Proved || row.Key != (Thumbprint{}),
	}
}

// Thumbprint is the RFC 7638 SHA-256 thumbprint of a public key; zero where there is none.
type Thumbprint [32]byte

// String spells a thumbprint as jkt does: base64url.
func (t Thumbprint) String() string { return base64.RawURLEncoding.EncodeToString(t[:]) }
