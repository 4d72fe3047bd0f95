package simulate

import (
	"context"
	"math/rand/v2"
	"time"
)

// issuer is who answers the phones.
type issuer interface {
	// code signs in the person who has a device, and returns an authorization code.
	code(ctx context.Context, device int) (string, error)
	// redeem exchanges a code for a refresh token; "" when it was refused.
	redeem(ctx context.Context, code string) (string, error)
	// refresh exchanges a refresh token for the next one; "" when it was refused.
	refresh(ctx context.Context, token string) (string, error)
	// ended says why the Session of a token ended.
	ended(ctx context.Context, token string) (string, error)
}

// dice are what a device's life is decided by. Every device has its own, so that it lives the same life whatever machine
// it is simulated on and in whichever company.
type dice struct{ *rand.Rand }

func newDice(seed uint64, device int) dice {
	return dice{rand.New(rand.NewPCG(seed, uint64(device)))} //nolint:gosec // a simulation must be repeatable, not secret
}

// chance is true in a share of all cases.
func (d dice) chance(share float64) bool { return d.Float64() < share }

// between returns any duration from low to high.
func (d dice) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.Float64()*float64(high-low))
}

// about returns a duration with a mean, as of things that happen at random.
func (d dice) about(mean time.Duration) time.Duration {
	return time.Duration(d.ExpFloat64() * float64(mean))
}
