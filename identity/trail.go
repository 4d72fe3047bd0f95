package identity

import (
	"context"
	"net/netip"
	"strings"
)

// Trail is what the surfaces learn about one request on its way, for the one line that is logged at its end. Only ids and
// names of ours go into it.
type Trail struct {
	ClientID  string
	UserID    ID
	SessionID ID
	Actor     string // the operator who acts
	Refusal   string // the error that was answered, or empty
}

type trailKey struct{}

// WithTrail returns a context in which the surfaces find the trail that is returned with it.
func WithTrail(ctx context.Context) (context.Context, *Trail) {
	t := &Trail{}
	return context.WithValue(ctx, trailKey{}, t), t
}

// TrailOf returns the trail of a request, never nil: without one it is written for nobody.
func TrailOf(ctx context.Context) *Trail {
	if t, ok := ctx.Value(trailKey{}).(*Trail); ok {
		return t
	}
	return &Trail{}
}

// maxActor is how many bytes are kept of an operator's name.
const maxActor = MaxDevice

// Actor names who of the operators acts and from where: cli:ada, api:deploy. What cannot be shown of the name is left out.
func Actor(from, name string) string { return from + ":" + cleanFact(name) }

type actorKey struct{}

// WithActor returns a context whose Events name who of the operators acts, like cli:ada.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorOf returns who acts; empty: the person, their app or the server itself.
func ActorOf(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

// Live is what an access token's Session looks like at the moment it is asked about: read in one statement.
type Live struct {
	Session Session
	User    User
	Denied  bool // this very access token was revoked (RFC 7009)
}

// Held names an access token of a Session: what LiveSessions asks about.
type Held struct {
	SessionID ID
	JTI       string
}

// Seen is where a request came from. Both parts are untrusted.
type Seen struct {
	Address   string // IP address without port
	UserAgent string // at most 256 bytes
}

const maxUserAgent = 256

// SeenFrom reads a request's remote address ("host:port") and User-Agent header.
func SeenFrom(remoteAddr, userAgent string) Seen {
	address := ""
	if ap, err := netip.ParseAddrPort(remoteAddr); err == nil {
		address = ap.Addr().Unmap().WithZone("").String()
	}
	if len(userAgent) > maxUserAgent {
		userAgent = userAgent[:maxUserAgent]
	}
	// PostgreSQL's text takes neither NUL nor broken UTF-8.
	userAgent = strings.ReplaceAll(strings.ToValidUTF8(userAgent, ""), "\x00", "")
	return Seen{Address: address, UserAgent: userAgent}
}
