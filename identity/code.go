package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

const (
	codePrefix = "sj_ac_"
	// UsualCodeLen is how long an authorization code gets in characters, unless the request itself brought more: a long nonce
	// or several long resources.
	UsualCodeLen = 1024
	// MaxCodeLen is the longest there is: of a request of MaxAsked bytes.
	MaxCodeLen = (MaxAsked + UsualCodeLen) * 4 / 3
	// CodeTTL is how long a code can be redeemed (RFC 6749 §4.1.2 asks for at most ten minutes).
	CodeTTL = time.Minute
	// RetryWindow is how long an honest app may ask again for the tokens of a code whose answer was lost.
	RetryWindow = 20 * time.Second
)

// Promise is what an authorization code says: the Session that will be, sealed. Nothing of it is stored before the
// exchange, so an abandoned sign-in leaves nothing behind.
//
// A code carries the secret of the Session it will start. Two codes of one request carry different secrets, so the
// hash that the row keeps also tells which code won.
type Promise struct {
	SessionID     ID
	SessionSecret Secret
	SignInID      ID
	SignInSecret  Secret // the SignIn's code secret: the row must know its hash
	Binding       Binding
	Epoch         int   // of the SignIn; a code that was begun under another one is void
	ClientEpoch   int64 // likewise of the client
	AuthTime      time.Time
	IssuedAt      time.Time
	AMR           AMR
	Scopes        []string
	Resources     []string // RFC 8707 §2.1
	Nonce         string
	Stay          bool   // the person let the app stay connected, for StayFor; offline_access is among Scopes then
	Sub           string // what the client knows the person by, where that is not their public subject
	Claims        string // ClaimsRequest.Text of what was asked beside the scopes
	Device        Device // as the authorization request described it; left out where the code would get too long
}

// Binding ties a code to the request it answers: what the token request must repeat. Hashes keep the code short.
type Binding struct {
	client    [16]byte
	redirect  [16]byte
	Challenge [32]byte   // the S256 challenge (RFC 7636 §4.2); all zero when none was sent
	Key       Thumbprint // dpop_jkt (RFC 9449 §10): only the holder of this key redeems the code; zero when none was sent
}

// NewBinding hashes the client, and the redirect_uri as it was sent (empty when it was left out).
func NewBinding(clientID, redirectURI string, challenge [32]byte) Binding {
	return Binding{client: hash16(clientID), redirect: hash16(redirectURI), Challenge: challenge}
}

// OfClient reports whether the code was made for clientID.
func (b Binding) OfClient(clientID string) bool { return same16(b.client, hash16(clientID)) }

// Redirected reports whether the request had sent this redirect_uri (RFC 6749 §4.1.3: identical).
func (b Binding) Redirected(uri string) bool { return same16(b.redirect, hash16(uri)) }

// HasChallenge reports whether the request carried a PKCE challenge.
func (b Binding) HasChallenge() bool { return b.Challenge != [32]byte{} }

// Verified reports whether verifier answers the challenge (RFC 7636 §4.6, S256).
func (b Binding) Verified(verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare(sum[:], b.Challenge[:]) == 1
}

// CodeText seals a promise into an authorization code. What a request brought comes back in it, so a request that was not
// too long makes no code that is (MaxAsked); it refuses one of more than MaxCodeLen.
func (k *Keyring) CodeText(p Promise) (string, error) {
	text := toText(codePrefix, k.Seal(ForCode, p.bytes(), nil))
	if len(text) > UsualCodeLen {
		p.Device = Device{} // a comfort, which the token request can bring too
		text = toText(codePrefix, k.Seal(ForCode, p.bytes(), nil))
	}
	if len(text) > MaxCodeLen {
		return "", RefuseField("nonce", "The nonce, the scopes, the resources and the claims are too long together.")
	}
	return text, nil
}

// ReadCode returns what an authentic code promises, or ErrForged. Whether it is still in time is for the caller.
func (k *Keyring) ReadCode(text string) (Promise, error) {
	if len(text) > MaxCodeLen {
		return Promise{}, ErrForged
	}
	raw, err := fromText(codePrefix, text)
	if err != nil {
		return Promise{}, err
	}
	plain, err := k.Open(ForCode, raw, nil)
	if err != nil || len(plain) < promiseLen {
		return Promise{}, ErrForged
	}
	if n := int(binary.BigEndian.Uint16(plain[promiseLen-2:])); n > len(plain)-promiseLen {
		return Promise{}, ErrForged
	}
	return readPromise(plain), nil
}

// Marks stand between scopes, resources, claims, a subject and the parts of a Device. None of them can hold a control character.
const (
	resourceMark = "\n"
	deviceMark   = "\r"
)

// stayBit stands beside the bits of Scopes, of which there may be seven.
const stayBit = 1 << 7

const promiseLen = 4*16 + 2*16 + 2*32 + 2*8 + 4 + 8 + 2 + 1 + 2

func (p Promise) bytes() []byte {
	mask, rest := packScopes(p.Scopes)
	if p.Stay {
		mask |= stayBit
	}
	rest += resourceMark + strings.Join(p.Resources, " ") // neither scopes nor URIs hold a space or a line break
	if d := p.Device; d != (Device{}) || p.Claims != "" || p.Sub != "" {
		rest += strings.Join([]string{resourceMark + d.Name, d.Model, d.AppVersion, d.InstallID}, deviceMark)
	}
	if p.Claims != "" || p.Sub != "" {
		rest += resourceMark + p.Claims
	}
	if p.Sub != "" {
		rest += resourceMark + p.Sub
	}
	b := make([]byte, 0, promiseLen+len(p.Nonce)+len(rest))
	for _, part := range [][]byte{
		p.SessionID[:], p.SessionSecret[:], p.SignInID[:], p.SignInSecret[:],
		p.Binding.client[:], p.Binding.redirect[:], p.Binding.Challenge[:], p.Binding.Key[:],
	} {
		b = append(b, part...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(p.AuthTime.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(p.IssuedAt.UnixMicro()))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(p.ClientEpoch))
	b = binary.BigEndian.AppendUint16(b, uint16(p.AMR))
	b = append(b, mask)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Nonce)))
	b = append(b, p.Nonce...)
	return append(b, rest...)
}

func readPromise(b []byte) (p Promise) {
	for _, part := range [][]byte{
		p.SessionID[:], p.SessionSecret[:], p.SignInID[:], p.SignInSecret[:],
		p.Binding.client[:], p.Binding.redirect[:], p.Binding.Challenge[:], p.Binding.Key[:],
	} {
		b = b[copy(part, b):]
	}
	p.AuthTime = time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	p.IssuedAt = time.UnixMicro(int64(binary.BigEndian.Uint64(b[8:]))).UTC()
	p.Epoch = int(binary.BigEndian.Uint32(b[16:]))
	p.ClientEpoch = int64(binary.BigEndian.Uint64(b[20:]))
	b = b[28:]
	p.AMR = AMR(binary.BigEndian.Uint16(b))
	mask, n := b[2], int(binary.BigEndian.Uint16(b[3:]))
	p.Nonce, p.Stay = string(b[5:5+n]), mask&stayBit != 0
	scopes, after, _ := strings.Cut(string(b[5+n:]), resourceMark)
	resources, device, _ := strings.Cut(after, resourceMark)
	device, p.Claims, _ = strings.Cut(device, resourceMark)
	p.Claims, p.Sub, _ = strings.Cut(p.Claims, resourceMark)
	p.Scopes, p.Resources = unpackScopes(mask, scopes), SplitScope(resources)
	if d := strings.Split(device, deviceMark); len(d) == 4 {
		p.Device = Device{d[0], d[1], d[2], d[3]}
	}
	return p
}

func packScopes(scopes []string) (mask byte, rest string) {
	var others []string
	for _, s := range scopes {
		if i := slices.Index(Scopes, s); i >= 0 {
			mask |= 1 << i
			continue
		}
		others = append(others, s)
	}
	return mask, strings.Join(others, " ")
}

func unpackScopes(mask byte, rest string) (scopes []string) {
	for i, s := range Scopes {
		if mask&(1<<i) != 0 {
			scopes = append(scopes, s)
		}
	}
	return append(scopes, strings.Fields(rest)...)
}

// Redemption is what presenting a code does once client, redirect_uri and verifier have all passed.
type Redemption int

// The answers of the redemption table (DESIGN §2).
const (
	RefuseCode Redemption = iota // another code of the same request won, or the sign-in is over: nothing is touched
	RetryCode                    // an honest retry of a lost answer: the same refresh token again, nothing written
	ReplayCode                   // the same code too late, or after use: the Session ends (RFC 6749 §4.1.2)
)

// Redeem decides about a code whose Session exists already: the INSERT did not win. Whoever holds the Session's key has
// been checked before.
func (p Promise) Redeem(s Session, now time.Time) Redemption {
	switch {
	case !p.SessionSecret.Matches(s.SecretHash):
		return RefuseCode
	case p.Binding.HasChallenge() && s.Alive(now) && s.Line == Line{} && now.Sub(s.CreatedAt) <= RetryWindow:
		return RetryCode
	default:
		return ReplayCode
	}
}

// Stands reports whether the SignIn is that of the promise and still good for it, as far as it was read.
func (p Promise) Stands(s Standing) bool {
	return s.SignedIn() && p.SignInID == s.SignIn.ID && s.SignIn.EndedAt.IsZero() && s.User.DisabledAt.IsZero() && s.User.Epoch == p.Epoch
}

func hash16(s string) (h [16]byte) {
	sum := sha256.Sum256([]byte(s))
	copy(h[:], sum[:])
	return h
}

func same16(a, b [16]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
