package identity

import "context"

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
